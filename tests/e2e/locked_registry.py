"""An image registry that demands a login: it stands before the test cluster's own, and lets nobody through without."""

from __future__ import annotations

import base64
import http.client
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = "puller", "open-sesame"
_CARRIED = ("Accept", "Range")
_RETURNED = (
    "Content-Type",
    "Content-Length",
    "Content-Range",
    "Docker-Content-Digest",
    "Docker-Distribution-Api-Version",
)


@dataclass
class LockedRegistry:
    """Where it listens, and what it was asked for."""

    host: str
    """As images name it."""
    turned_away: list[str] = field(default_factory=list)
    let_through: list[str] = field(default_factory=list)

    def reference(self, image: str) -> str:
        """An image of the open registry, as this one calls it."""
        return f"{self.host}/{image.split('/', 1)[1]}"


@contextmanager
def locked_registry(behind: str) -> Iterator[LockedRegistry]:
    """Serves what the registry at `behind` (host:port, plain HTTP) has, on a free port of loopback, to USER alone."""
    secret = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.headers.get("Authorization") != secret:
                made.turned_away.append(self.path)
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="locked"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            made.let_through.append(self.path)
            carried = {name: ", ".join(found) for name in _CARRIED if (found := self.headers.get_all(name))}
            upstream = http.client.HTTPConnection(behind)
            upstream.request(self.command, self.path, headers=carried)
            answer = upstream.getresponse()
            self.send_response(answer.status)
            for name in _RETURNED:
                if value := answer.getheader(name):
                    self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                shutil.copyfileobj(answer, self.wfile)
            upstream.close()

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *words: object) -> None:
            """Says nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    made = LockedRegistry(f"127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
