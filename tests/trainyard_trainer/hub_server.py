"""A Hub for tests: a real HTTP server that answers the two routes by which a model is read, on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

REPOSITORY = "lab/tiny"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A repository at one commit, and what was asked of it.

    `token` is what a reader must show; `gated` asks for it only when a file is read. Files in `large` are promised by
    their SHA-256 and lie on the host `elsewhere`, when that is set. `cut` are files whose first reply ends in the
    middle. `promises` overrules what is said of a file's content. Files in `trickling` come byte by byte and never end;
    `trickles` is called when that begins.
    """

    files: dict[str, bytes]
    token: str | None = None
    gated: bool = False
    large: frozenset[str] = frozenset()
    elsewhere: str | None = None
    cut: set[str] = field(default_factory=set)
    promises: dict[str, bytes] = field(default_factory=dict)
    trickling: set[str] = field(default_factory=set)
    trickles: Callable[[], object] = lambda: None
    revision: str = REVISION
    endpoint: str = ""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def promised(self, name: str) -> bytes:
        """The content that the repository says a file has."""
        return self.promises.get(name, self.files[name])

    def etag(self, name: str) -> str:
        """The hash that the repository says a file has."""
        content = self.promised(name)
        if name in self.large:
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

    def read(self) -> list[str]:
        """Names of the files whose content was asked for."""
        return [path.rpartition("/")[2] for method, path, _ in self.requests if method == "GET" and "/resolve/" in path]

    def described(self) -> dict[str, object]:
        """What the first route says of the repository."""
        siblings = []
        for name in self.files:
            size = len(self.promised(name))
            entry: dict[str, object] = {"rfilename": name, "size": size}
            if name in self.large:
                entry |= {"lfs": {"sha256": self.etag(name), "size": size, "pointerSize": 134}}
            else:
                entry |= {"blobId": self.etag(name)}
            siblings.append(entry)
        return {"id": REPOSITORY, "modelId": REPOSITORY, "sha": self.revision, "siblings": siblings}


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """The Hub at its `endpoint` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, hub)

        def do_HEAD(self) -> None:
            _answer(self, hub)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def _answer(request: BaseHTTPRequestHandler, hub: Hub) -> None:
    path = unquote(urlsplit(request.path).path)
    shown = request.headers.get("Authorization")
    hub.requests.append((request.command, path, shown))
    about, files, stored = f"/api/models/{REPOSITORY}/revision/", f"/{REPOSITORY}/resolve/", "/stored/"
    allowed = hub.token is None or shown == f"Bearer {hub.token}"
    if path.startswith(stored):
        _content(request, hub, path.removeprefix(stored))
    elif not path.startswith((about, files)):
        _reply(request, 404, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
    elif not allowed and shown is not None:
        _reply(request, 401, b"", {"X-Error-Message": "Invalid credentials in Authorization header"})
    elif not allowed and not hub.gated:
        _reply(request, 401, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
    elif REVISION not in path:
        _reply(request, 404, b"", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
    elif path.startswith(about):
        _reply(request, 200, json.dumps(hub.described()).encode(), {"Content-Type": "application/json"})
    elif not allowed:
        _reply(request, 403, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to it is restricted"})
    else:
        _file(request, hub, path.removeprefix(f"{files}{REVISION}/"))


def _file(request: BaseHTTPRequestHandler, hub: Hub, name: str) -> None:
    if name not in hub.files:
        _reply(request, 404, b"", {"X-Error-Code": "EntryNotFound"})
        return
    about = {"ETag": f'"{hub.etag(name)}"', "X-Repo-Commit": hub.revision}
    if name not in hub.large or hub.elsewhere is None:
        _content(request, hub, name, about)
        return
    linked = {"X-Linked-Etag": f'"{hub.etag(name)}"', "X-Linked-Size": str(len(hub.promised(name)))}
    _reply(request, 302, b"", about | linked | {"Location": f"{hub.elsewhere}/stored/{name}"})


def _content(request: BaseHTTPRequestHandler, hub: Hub, name: str, headers: Mapping[str, str] = {}) -> None:
    content = hub.files[name]
    if name in hub.trickling and request.command == "GET":
        _trickle(request, hub, content, headers)
        return
    asked = request.headers.get("Range")
    if asked is not None:
        start = int(asked.removeprefix("bytes=").partition("-")[0])
        span = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        _reply(request, 206, content[start:], {**headers, **span})
    elif name in hub.cut and request.command == "GET":
        hub.cut.discard(name)
        _reply(request, 200, content, headers, sent=len(content) // 2)
    else:
        _reply(request, 200, content, headers)


def _trickle(request: BaseHTTPRequestHandler, hub: Hub, content: bytes, headers: Mapping[str, str]) -> None:
    _reply(request, 200, content, headers, sent=0)
    hub.trickles()
    with contextlib.suppress(OSError):  # until whoever asked is gone
        while hub.trickling:
            request.wfile.write(b"\0")
            time.sleep(0.05)


def _reply(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: Mapping[str, str], sent: int | None = None
) -> None:
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body[:sent])
    if sent is not None:
        request.close_connection = True
