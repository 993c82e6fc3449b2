"""Whether this process is alive and ready: asked by the kubelet, answered from what the tick and the watches last did.

Place in the data's way: beside station 2. Served by a thread of its own, so that a blocked event loop shows. Alive
means that a tick has ended lately, and that what a tick lists has come by the watch too.
"""

from __future__ import annotations

import http.server
import threading
import time
from typing import Any, Final

_WATCH_LAG_SECONDS: Final = 180.0
"""How long the watch may lack a version that the tick has listed; a watch reconnects within 70 s."""


class Health:
    """What is known about this process; written by the event loop, read by the server's thread."""

    def __init__(self, tick_seconds: float) -> None:
        self._tick_limit = max(60.0, 6 * tick_seconds)
        self._last_tick = time.monotonic()
        self._missing: dict[str, tuple[str, float]] = {}
        self._watched: dict[str, str] = {}
        self.migrated = False
        self.listed = False

    def ticked(self, versions: dict[str, str]) -> None:
        """Notes that a tick has ended.

        Args:
            versions: uid → resourceVersion of every TrainingJob that it listed.
        """
        now = time.monotonic()
        self._last_tick, self.listed = now, True
        missing = {}
        for uid, version in versions.items():
            if not _is_older(self._watched.get(uid), version):
                continue
            former = self._missing.get(uid)
            # It is the time since the watch last kept up that counts, however often the object changes meanwhile.
            missing[uid] = (
                former if former is not None and _is_older(self._watched.get(uid), former[0]) else (version, now)
            )
        self._missing = missing
        self._watched = {uid: version for uid, version in self._watched.items() if uid in versions}

    def watched(self, uid: str, version: str) -> None:
        """Notes a version of a TrainingJob that the watch has brought."""
        self._watched[uid] = version

    def trouble(self) -> str | None:
        """Says why this process should be restarted; None: it is alive."""
        now = time.monotonic()
        if now - self._last_tick > self._tick_limit:
            return f"tick: the last one ended {now - self._last_tick:.0f} s ago, limit {self._tick_limit:.0f} s"
        lag = max((now - since for _, since in self._missing.values()), default=0.0)
        if lag > _WATCH_LAG_SECONDS:
            return f"watch: behind the lists for {lag:.0f} s, limit {_WATCH_LAG_SECONDS:.0f} s"
        return None

    def waiting(self) -> str | None:
        """Says what this process waits for before it can work; None: it is ready."""
        if not self.migrated:
            return "database: not migrated yet"
        return None if self.listed else "API server: jobs not listed yet"


def serve(health: Health, port: int) -> http.server.ThreadingHTTPServer:
    """Serves /healthz and /readyz on all addresses, from a daemon thread, until the server is shut down."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {"/healthz": health.trouble, "/readyz": health.waiting}
            answer = answers.get(self.path)
            problem = "not found" if answer is None else answer()
            text = (problem or "ok").encode()
            self.send_response(404 if answer is None else 200 if problem is None else 503)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
            """Logs nothing: probes aren't news."""

    server = http.server.ThreadingHTTPServer(("", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True, name="health").start()
    return server


def _is_older(seen: str | None, listed: str) -> bool:
    # Versions of one resource are ordered numbers (Kubernetes 1.35 made that a promise).
    return seen is None or int(seen) < int(listed)
