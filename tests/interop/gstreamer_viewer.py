"""GStreamer as a viewer of one camera; see gstreamer.py for what it needs."""

import asyncio

import aiohttp

from common import Watch, arguments
from gstreamer import Gst, accept, offer
from gi.repository import GstWebRTC

CAPS = {
    "vp8": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
    "h264": "application/x-rtp,media=video,encoding-name=H264,payload=97,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f",
}


def decode(playing, webrtc, watch: Watch) -> None:
    """Decodes what comes and counts its frames."""

    def on_decoded(_, pad):
        sink = Gst.parse_bin_from_description("fakesink name=frames sync=false signal-handoffs=true", True)
        playing.add(sink)
        sink.get_by_name("frames").connect("handoff", lambda *_: watch.came("video 0"))
        pad.link(sink.get_static_pad("sink"))
        sink.sync_state_with_parent()

    def on_pad(_, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        decoder = Gst.ElementFactory.make("decodebin")
        playing.add(decoder)
        decoder.connect("pad-added", on_decoded)
        pad.link(decoder.get_static_pad("sink"))
        decoder.sync_state_with_parent()

    webrtc.connect("pad-added", on_pad)


async def main() -> None:
    args = arguments(__doc__, is_robot=False)
    playing, webrtc = Gst.Pipeline(), Gst.ElementFactory.make("webrtcbin")
    webrtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
    playing.add(webrtc)
    async with aiohttp.ClientSession() as http:
        watch = Watch(args, http)
        await watch.begin()
        decode(playing, webrtc, watch)
        webrtc.connect("on-data-channel", lambda _, channel: channel.connect("on-close", lambda _: watch.closed()))
        playing.set_state(Gst.State.PLAYING)
        receive = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        webrtc.emit("add-transceiver", receive, Gst.Caps.from_string(CAPS[args.codec]))
        control = webrtc.emit("create-data-channel", "control", None)
        accept(webrtc, await watch.offer(await offer(webrtc)))
        while watch.left() < 2:
            await asyncio.sleep(0.1)
        watch.tell()
        del control
        playing.set_state(Gst.State.NULL)


asyncio.run(main())
