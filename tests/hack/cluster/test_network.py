"""The cluster's names, asked of a name server."""

from __future__ import annotations

import socket
import struct
import threading

import pytest

from hack.cluster import network


@pytest.mark.parametrize(("flags", "answers", "resolved"), [(0x8180, 1, True), (0x8183, 0, False), (0x8180, 0, False)])
def test_a_name_resolves_only_with_an_answer(flags, answers, resolved):
    """A name server that answers "no such name", or nothing, is not ready."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        asked = []

        def serve():
            question, sender = server.recvfrom(512)
            asked.append(question)
            server.sendto(question[:2] + struct.pack(">5H", flags, 1, answers, 0, 0) + question[12:], sender)

        thread = threading.Thread(target=serve)
        thread.start()
        assert network.resolves("a.bc", "127.0.0.1", port=server.getsockname()[1]) is resolved
        thread.join()
    assert asked[0][12:] == b"\1a\2bc\0" + struct.pack(">2H", 1, 1)
