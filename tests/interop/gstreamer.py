"""GStreamer's `webrtcbin`, as far as robot and viewer use it alike.

Debian 12: gstreamer1.0-plugins-{base,good,bad,ugly} gstreamer1.0-nice python3-gst-1.0 gir1.2-gst-plugins-bad-1.0 python3-aiohttp.
"""

import asyncio

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC  # noqa: E402

Gst.init(None)
# Python frees what a promise answers with as soon as nobody holds it, though webrtcbin still does.
HELD: list = []


async def offer(webrtc) -> str:
    """Makes an offer with all its candidates. Not for webrtcbin's own thread, which would wait for itself."""
    loop, gathered = asyncio.get_running_loop(), asyncio.Event()

    def on_gathering(element, _):
        if element.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            loop.call_soon_threadsafe(gathered.set)

    webrtc.connect("notify::ice-gathering-state", on_gathering)
    promise = Gst.Promise.new()
    webrtc.emit("create-offer", None, promise)
    promise.wait()
    reply = promise.get_reply()
    made = reply.get_value("offer")
    HELD.extend([promise, reply, made])
    webrtc.emit("set-local-description", made, Gst.Promise.new())
    await gathered.wait()
    return webrtc.get_property("local-description").sdp.as_text()


def accept(webrtc, sdp: str) -> None:
    _, message = GstSdp.SDPMessage.new_from_text(sdp)
    answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
    HELD.extend([message, answer])
    webrtc.emit("set-remote-description", answer, Gst.Promise.new())
