"""GStreamer as a robot; see gstreamer.py for what it needs."""

import asyncio

import aiohttp

from common import arguments
from gstreamer import Gst, accept, offer

ENCODERS = {
    "vp8": "vp8enc deadline=1 target-bitrate=600000 ! rtpvp8pay picture-id-mode=15-bit pt={pt}"
    " ! application/x-rtp,media=video,encoding-name=VP8,payload={pt}",
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast bitrate=600 ! video/x-h264,profile=constrained-baseline"
    " ! rtph264pay config-interval=-1 aggregate-mode=zero-latency pt={pt}"
    " ! application/x-rtp,media=video,encoding-name=H264,payload={pt}",
}
CAMERA = " videotestsrc is-live=true pattern={pattern} ! video/x-raw,width=640,height=480,framerate=30/1 ! queue ! {encoder} ! w."
SOUND = (
    " audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=110"
    " ! application/x-rtp,media=audio,encoding-name=OPUS,payload=110 ! w."
)


def pipeline(args):
    text = "webrtcbin name=w bundle-policy=max-bundle"
    for index, pattern in enumerate(["ball", "smpte", "snow"][: args.cameras]):
        text += CAMERA.format(pattern=pattern, encoder=ENCODERS[args.codec].format(pt=96 + 2 * index))
    return Gst.parse_launch(text + (SOUND if args.sound else ""))


async def main() -> None:
    args = arguments(__doc__, is_robot=True)
    headers = {"Authorization": f"Bearer {args.token_file.read_text().strip()}"}
    playing = pipeline(args)
    webrtc = playing.get_by_name("w")
    loop, needed = asyncio.get_running_loop(), asyncio.Event()
    webrtc.connect("on-negotiation-needed", lambda _: loop.call_soon_threadsafe(needed.set))
    async with aiohttp.ClientSession(headers=headers) as http, http.ws_connect(f"{args.server}/ws") as link:
        await link.send_json({"event": "register", "data": {"userType": "robot"}})
        is_asked = False
        async for message in link:
            event, data = message.json()["event"], message.json()["data"]
            if event == "publish" and not is_asked:
                is_asked = True
                playing.set_state(Gst.State.PLAYING)
                await needed.wait()
                made = {"type": "offer", "sdp": await offer(webrtc)}
                await link.send_json({"event": "offer", "data": {"offer": made}})
            elif event == "answer":
                accept(webrtc, data["answer"]["sdp"])
            elif event in ("session-ended", "unpublish") and is_asked:
                playing.set_state(Gst.State.NULL)
                return


asyncio.run(main())
