"""What the foreign clients share: their arguments, signing in, and what is printed at the end."""

import argparse
import datetime
import json
import pathlib
import time

import aiohttp


def arguments(what: str, is_robot: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--server", required=True, help="http://HOST:PORT")
    parser.add_argument("--cameras", type=int, default=1)
    parser.add_argument("--sound", action="store_true")
    parser.add_argument("--codec", choices=["vp8", "h264"], default="vp8")
    if is_robot:
        parser.add_argument("--token-file", type=pathlib.Path, required=True)
    else:
        parser.add_argument("--email", required=True)
        parser.add_argument("--password-file", type=pathlib.Path, required=True)
        parser.add_argument("--robot", required=True, help="the robot's type; a booking of it has to be open")
    return parser.parse_args()


class Watch:
    """A viewer's session: what came of each track, against the end of the booked window."""

    def __init__(self, args: argparse.Namespace, http: aiohttp.ClientSession):
        self.args, self.http = args, http
        self.tracks: dict[str, dict] = {}
        self.closed_at = None
        self.ends_at = 0.0

    async def begin(self) -> None:
        secret = self.args.password_file.read_text().strip()
        body = {"email": self.args.email, "password": secret}
        async with self.http.post(f"{self.args.server}/auth/login", json=body) as reply:
            token = (await reply.json())["access_token"]
        self.http.headers["Authorization"] = f"Bearer {token}"
        async with self.http.get(f"{self.args.server}/videos/{self.args.robot}") as reply:
            self.ends_at = datetime.datetime.fromisoformat((await reply.json())["ends_at"]).timestamp()

    async def offer(self, sdp: str) -> str:
        body = {"robot_type": self.args.robot, "sdp": sdp, "type": "offer"}
        async with self.http.post(f"{self.args.server}/webrtc/offer", json=body) as reply:
            answer = await reply.json()
            if reply.status != 200:
                raise SystemExit(answer["detail"])
            return answer["sdp"]

    def came(self, track: str) -> None:
        """A frame, or a packet of sound."""
        seen = self.tracks.setdefault(track, {"frames": 0, "first_s": self.left(), "last_s": 0.0})
        seen["frames"] += 1
        seen["last_s"] = self.left()

    def closed(self) -> None:
        """The `session` channel closed."""
        self.closed_at = self.left()

    def left(self) -> float:
        """Seconds since the window's end: negative before it."""
        return round(time.time() - self.ends_at, 3)

    def tell(self) -> None:
        print(json.dumps({"tracks": self.tracks, "session_closed_s": self.closed_at}), flush=True)
