import type { Page } from '@playwright/test';

/**
 * Makes a page of the console's origin a robot that sends a moving picture in VP8, and a tone in Opus if asked. The robot's
 * agent sends H.264, which Debian's Firefox cannot decode in a peer connection (its decoder for that is a download), and no sound.
 */
export async function beRobot(page: Page, token: string, { sound = false } = {}): Promise<void> {
  await page.evaluate(
    ([credential, sings]) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
      const context = canvas.getContext('2d')!;
      let drawn = 0;
      setInterval(() => {
        drawn += 1;
        context.fillStyle = `hsl(${(drawn * 7) % 360} 80% 50%)`;
        context.fillRect(0, 0, canvas.width, canvas.height);
      }, 50);

      const tone = (): MediaStreamTrack => {
        const audio = new AudioContext();
        const heard = audio.createMediaStreamDestination();
        const source = new OscillatorNode(audio, { frequency: 440 });
        source.connect(heard);
        source.start();
        return heard.stream.getAudioTracks()[0]!;
      };

      const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws`, ['curfew.v1', `bearer.${credential}`]);
      const send = (event: string, data: unknown) => socket.send(JSON.stringify({ event, data }));
      let pc: RTCPeerConnection | null = null;
      const publish = async () => {
        pc = new RTCPeerConnection();
        const [track] = canvas.captureStream(20).getVideoTracks();
        const transceiver = pc.addTransceiver(track!, { direction: 'sendonly' });
        const codecs = RTCRtpReceiver.getCapabilities('video')!.codecs;
        transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => ['video/VP8', 'video/rtx'].includes(mimeType)));
        if (sings) pc.addTransceiver(tone(), { direction: 'sendonly' });
        await pc.setLocalDescription();
        send('offer', { offer: { type: 'offer', sdp: pc.localDescription!.sdp } });
      };
      socket.onopen = () => send('register', { userType: 'robot' });
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data as string) as { event: string; data: { answer?: RTCSessionDescriptionInit } };
        if (message.event === 'publish' && pc === null) void publish();
        if (message.event === 'answer' && message.data.answer !== undefined) void pc?.setRemoteDescription(message.data.answer);
      };
    },
    [token, sound] as const,
  );
}
