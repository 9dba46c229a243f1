"""A model hub on loopback, as the hub's client sees it: listings, etags, ranges, and bad days."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Serves the files of a folder as the model `name`.

    `cut_after_bytes` breaks every connection that has brought so much of one answer;
    `errors` are the status and the error code that the listing of a model is answered with.
    """

    name: str
    folder: Path
    address: str = ""
    cut_after_bytes: int | None = None
    error: tuple[int, str] | None = None
    damage: bool = False
    refused: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def ranges(self, file: str) -> list[str]:
        """The Range header of each GET of the file, in order; "" where there was none."""
        return [
            span for method, path, span in self.asked if (method, Path(path).name) == ("GET", file)
        ]

    def siblings(self) -> list[dict[str, Any]]:
        return [
            {
                "rfilename": path.name,
                "size": path.stat().st_size,
                "blobId": hashlib.sha1(path.name.encode()).hexdigest(),
                "lfs": {"sha256": sha256(path), "size": path.stat().st_size, "pointerSize": 134},
            }
            for path in sorted(self.folder.iterdir())
        ]

    def tree(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "file",
                "path": one["rfilename"],
                "size": one["size"],
                "oid": one["blobId"],
                "lfs": {**one["lfs"], "oid": one["lfs"]["sha256"]},
            }
            for one in self.siblings()
        ]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.asked.append((self.command, path, self.headers.get("Range", "")))
        if path.startswith(f"/api/models/{hub.name}"):
            listing = hub.tree() if "/tree/" in path else self.model()
            self.say(json.dumps(listing).encode(), {})
        elif path.startswith(f"/{hub.name}/resolve/"):
            self.give(hub.folder / Path(path).name)
        else:
            self.send_error_of(404, "RepoNotFound")

    def model(self) -> dict[str, Any]:
        return {"id": self.hub.name, "sha": COMMIT, "siblings": self.hub.siblings()}

    def say(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
        if self.hub.error is not None:
            self.send_error_of(*self.hub.error)
            return
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.hub.cut_after_bytes
        if cut is not None and len(body) > cut:
            self.wfile.write(body[:cut])
            self.wfile.flush()
            # The line is cut, and the hub stays away for this start.
            self.close_connection = True
            self.hub.error = (503, "")
        else:
            self.wfile.write(body)

    def give(self, path: Path) -> None:
        content = path.read_bytes()
        if self.hub.damage:
            content = bytes(len(content))
        headers = {
            "ETag": f'"{sha256(path)}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if span is None:
            self.say(content, headers)
        else:
            start, total = int(span[1]), len(content)
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
            self.say(content[start:], headers, 206)

    def send_error_of(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", f"told by the hub as {code}")
        self.end_headers()


@contextmanager
def running_hub(name: str, folder: Path) -> Iterator[Hub]:
    """The hub, for the length of a block."""
    hub = Hub(name, folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
