"""The few calls to an API server, on a real HTTPS server with the cluster's certificates."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hack.cluster.api import Api, http_ok
from hack.cluster.certs import Authority

CODES = {"/there": 200, "/healthz": 200, "/absent": 404, "/forbidden": 403, "/taken": 409, "/new": 201}


class Handler(BaseHTTPRequestHandler):
    """Answers each path with its code."""

    def do_GET(self) -> None:
        """Says which path was asked for."""
        body = json.dumps({"path": self.path}).encode()
        self.send_response(CODES[self.path])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Reads what is sent."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A server that knows its clients by the cluster's authority."""
    authority = Authority(tmp_path)
    pair = authority.issue("server", "server", hosts=["127.0.0.1"])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.pair.certificate))
    context.load_cert_chain(pair.certificate, pair.key)
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Api(f"https://127.0.0.1:{server.server_port}", authority, authority.issue("admin", "admin"))
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_absent_is_none_and_a_refusal_an_error(api: Api) -> None:
    """Set-up waits for what is not there yet, and stops where it may not look."""
    assert api.get("/there") == {"path": "/there"}
    assert api.get("/absent") is None
    with pytest.raises(urllib.error.HTTPError, match="403"):
        api.get("/forbidden")


def test_health_is_an_answer_of_200_alone(api: Api) -> None:
    """Neither another code nor a server that isn't there is well."""
    assert api.answers("/healthz")
    assert not api.answers("/forbidden")
    assert not http_ok("http://127.0.0.1:1/healthz")


def test_an_object_that_exists_is_left_as_it_is(api: Api) -> None:
    """A second `up` creates the same objects again, and only another refusal is an error."""
    api.create("/new", {})
    api.create("/taken", {})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        api.create("/forbidden", {})
