"""aiortc as a viewer: `pip install aiortc aiohttp`."""

import asyncio

import aiohttp
from aiortc import MediaStreamError, RTCPeerConnection, RTCSessionDescription

from common import Watch, arguments


async def count(watch: Watch, track, name: str) -> None:
    while True:
        try:
            await track.recv()
        except MediaStreamError:
            return
        watch.came(name)


async def main() -> None:
    args = arguments(__doc__, is_robot=False)
    async with aiohttp.ClientSession() as http:
        watch = Watch(args, http)
        await watch.begin()
        peer = RTCPeerConnection()
        for _ in range(args.cameras):
            peer.addTransceiver("video", direction="recvonly")
        if args.sound:
            peer.addTransceiver("audio", direction="recvonly")
        peer.createDataChannel("control")
        counting = []

        @peer.on("track")
        def on_track(track):
            counting.append(asyncio.create_task(count(watch, track, f"{track.kind} {len(counting)}")))

        @peer.on("datachannel")
        def on_channel(channel):
            channel.on("close", watch.closed)

        await peer.setLocalDescription(await peer.createOffer())
        answer = await watch.offer(peer.localDescription.sdp)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        while watch.left() < 2:
            await asyncio.sleep(0.1)
        watch.tell()
        await peer.close()


asyncio.run(main())
