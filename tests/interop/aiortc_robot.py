"""aiortc as a robot: `pip install aiortc aiohttp`."""

import asyncio
import math
import struct

import aiohttp
import av
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from common import arguments

CAMERAS = ["front", "rear", "arm"]


class Camera(VideoStreamTrack):
    """A picture that changes its colour. The track's id is the camera's name."""

    def __init__(self, name: str, hue: int):
        super().__init__()
        self._id, self.hue, self.drawn = name, hue, 0

    async def recv(self) -> av.VideoFrame:
        frame = av.VideoFrame(320, 240, "yuv420p")
        frame.pts, frame.time_base = await self.next_timestamp()
        self.drawn += 1
        for index, plane in enumerate(frame.planes):
            plane.update(bytes([(self.hue + 3 * self.drawn + 40 * index) % 256]) * plane.buffer_size)
        return frame


class Tone(AudioStreamTrack):
    """440 Hz."""

    played = 0

    async def recv(self) -> av.AudioFrame:
        frame = await super().recv()
        wave = (math.sin(2 * math.pi * 440 * (self.played + i) / frame.sample_rate) for i in range(frame.samples))
        samples = b"".join(struct.pack("<h", int(8000 * value)) for value in wave)
        self.played += frame.samples
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        return frame


async def main() -> None:
    args = arguments(__doc__, is_robot=True)
    headers = {"Authorization": f"Bearer {args.token_file.read_text().strip()}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.ws_connect(f"{args.server}/ws") as link:
        await link.send_json({"event": "register", "data": {"userType": "robot"}})
        peer = None
        async for message in link:
            event, data = message.json()["event"], message.json()["data"]
            if event == "publish" and peer is None:
                peer = RTCPeerConnection()
                for index, name in enumerate(CAMERAS[: args.cameras]):
                    peer.addTrack(Camera(name, 40 + 50 * index))
                if args.sound:
                    peer.addTrack(Tone())
                await peer.setLocalDescription(await peer.createOffer())
                offer = {"type": "offer", "sdp": peer.localDescription.sdp}
                await link.send_json({"event": "offer", "data": {"offer": offer}})
            elif event == "answer":
                await peer.setRemoteDescription(RTCSessionDescription(data["answer"]["sdp"], "answer"))
            elif event in ("session-ended", "unpublish") and peer is not None:
                await peer.close()
                return


asyncio.run(main())
