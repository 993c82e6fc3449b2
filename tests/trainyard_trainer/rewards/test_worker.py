"""The worker answers what it is asked, in JSON, and says which call it is about to make."""

from __future__ import annotations

import json
import pickle
import socket
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from tests.trainyard_trainer.told import said, told
from tests.waiting import GUARD_SECONDS
from trainyard_trainer.rewards.worker import Worker

MODULE = """
def length(trajectory):
    return len(trajectory.question)
def raises(trajectory):
    raise KeyError("no such key")
async def awaited(trajectory):
    return [0.5]
def no_argument():
    return 1.0
number = 7
"""


class Asked:
    """The trainer's end of a worker's socket."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def answers(self, request: dict[str, Any], count: int) -> list[dict[str, Any]]:
        """So many answers to a request."""
        self._connection.send_bytes(pickle.dumps(request))
        found = []
        for _ in range(count):
            assert self._connection.poll(GUARD_SECONDS)
            found.append(json.loads(self._connection.recv_bytes()))
        return found


@pytest.fixture
def asked() -> Iterator[Asked]:
    """A worker in a thread of this process; nothing in these tests ends it but the end of its socket."""
    ours, theirs = socket.socketpair()
    with Connection(ours.detach()) as connection, Connection(theirs.detach()) as other:
        thread = threading.Thread(target=Worker(other).serve)
        thread.start()
        yield Asked(connection)
        connection.close()
        thread.join(GUARD_SECONDS)
        assert not thread.is_alive()


def loaded(asked: Asked, folder: Path, *names: str) -> dict[str, Any]:
    """What is said of rewards of the module."""
    (folder / "mine.py").write_text(MODULE)
    (answer,) = asked.answers({"load": names, "module": str(folder / "mine.py")}, 1)
    return answer


def test_each_reward_is_found_or_told_what_is_wrong(asked: Asked, tmp_path: Path) -> None:
    """With the names that the module has, for whoever has mistyped one."""
    answer = loaded(asked, tmp_path, "length", "number", "no_argument", "lenght")
    found = answer["found"]
    assert (found["length"]["in_module"], found["length"]["problem"]) == (True, None)
    assert found["number"]["problem"].endswith("mine.py isn't callable")
    assert "must take one argument, the trajectory" in found["no_argument"]["problem"]
    assert found["lenght"] == {"in_module": False, "problem": None}
    assert {"length", "awaited"} <= set(answer["module_has"])


def test_a_module_that_can_not_be_imported_is_told_as_a_whole(asked: Asked, tmp_path: Path) -> None:
    """With its line."""
    (tmp_path / "mine.py").write_text("import nothing_like_this\n")
    (answer,) = asked.answers({"load": ["length"], "module": str(tmp_path / "mine.py")}, 1)
    assert "nothing_like_this" in answer["module"]
    assert "mine.py:1" in answer["module"]


def test_a_call_is_said_before_it_is_made(asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not come back from it; what it raises is told with its line, and the next one is called."""
    monkeypatch.setattr("trainyard_trainer.rewards.worker._forget_alarm", lambda: None)  # of a main thread
    loaded(asked, tmp_path, "length", "raises")
    request = {
        "trajectories": [told(said(), question="four")],
        "jobs": [(0, "raises", 0, GUARD_SECONDS), (1, "length", 0, GUARD_SECONDS)],
        "alone": False,
    }
    first, failed, second, value, end = asked.answers(request, 5)
    assert (first, second) == ({"began": [0], "awaited": False}, {"began": [1], "awaited": False})
    assert failed["problem"].startswith("raised KeyError: 'no such key' at ")
    assert value == {"job": 1, "total": 4.0, "by_turn": None}
    assert end == {"finished": True}
