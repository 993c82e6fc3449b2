"""A server's front door that stops passing requests on: whoever asks gets no answer, and the connection stays open."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

_REQUEST = re.compile(rb"^(?:GET|HEAD|PUT|POST|DELETE) \S+ HTTP/1\.1\r\n")


class FrontDoor:
    """Passes connections on to a server, until a request comes that `stalls`; from then on that connection is dead.

    Attributes:
        endpoint: its address, in place of the server's.
        stalls: says of a request line whether it stalls.
    """

    def __init__(self, behind: str, port: int = 0) -> None:
        parts = urlsplit(behind)
        self._behind = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open: list[socket.socket] = []
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.stalls: Callable[[str], bool] = lambda _: False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        self._listener.close()
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._behind)
            self._open += [client, server]
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        try:
            while content := source.recv(1 << 16):
                line = _REQUEST.match(content) if asks else None
                if line and self.stalls(line[0].decode().strip()):
                    return
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return  # one of the two is gone
