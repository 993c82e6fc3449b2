"""A real S3 server over a folder on this machine's loopback: for tests that need S3 and no cluster.

The same server as in the cluster. Its keys are drawn at random and passed by its environment.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from hack.cluster import binaries
from hack.services.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

_ATTEMPTS = 3
_READY_WITHIN = 300.0
"""Seconds; only a server that hangs takes as long, however busy the machine is."""


@dataclass(frozen=True)
class LocalS3:
    """A running server; a context manager that stops it. It has no bucket yet."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)

    def stop(self) -> None:
        """Ends the server; its folder keeps the data."""
        self.process.terminate()
        self.process.wait(timeout=_READY_WITHIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def local_s3(directory: Path) -> LocalS3:
    """Starts a server on a free port of the loopback, ready when this returns.

    Args:
        directory: an existing folder; each bucket becomes a folder in it.

    Raises:
        ServiceError: it did not start.
        ClusterError: its program can't be built.
    """
    program = binaries.ensure(["versitygw"]) / "versitygw"
    access, secret = secrets.token_hex(10).upper(), secrets.token_hex(20)
    environment = {**os.environ, "ROOT_ACCESS_KEY": access, "ROOT_SECRET_KEY": secret}
    for _ in range(_ATTEMPTS):  # another program may take the port between the look and the start
        port = _free_port()
        command = [
            str(program),
            "--port",
            f"127.0.0.1:{port}",
            "--health",
            "/healthz",
            "--quiet",
            "posix",
            str(directory),
        ]
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if _ready(process, f"http://127.0.0.1:{port}/healthz"):
            return LocalS3(f"http://127.0.0.1:{port}", access, secret, process)
        process.kill()
        process.wait()
    raise ServiceError(
        f"local S3: {program} did not answer on the loopback; got no server over {directory} in 3 attempts"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(process: subprocess.Popen[bytes], url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _READY_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=1):
                return True
        except OSError:
            time.sleep(0.02)
    return False
