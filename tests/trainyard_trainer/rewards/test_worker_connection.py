"""A started process is talked to, and how it ended is told."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from trainyard_trainer.errors import DroppedError
from trainyard_trainer.rewards.worker_connection import SECRET_VARIABLES, LostError, WorkerConnection


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what a test has started."""
    with ExitStack() as stack:
        yield stack


def started(stack: ExitStack, *, interrupted: bool = False) -> WorkerConnection:
    """A process without rewards."""
    connection = WorkerConnection(lambda: interrupted)
    stack.callback(connection.close)
    return connection


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("TRAINYARD_DATABASE_DSN", True), ("AWS_SECRET_ACCESS_KEY", True), ("PGPASSWORD", True), ("hf_token", True),
        ("WANDB_API_KEY", True), ("MLFLOW_TRACKING_TOKEN", True), ("PATH", False), ("HF_HOME", False),
        ("MY_PGPASSWORD_HINT", False),
    ],
)  # fmt: skip
def test_variables_with_logins_are_known_by_their_names(name: str, secret: bool) -> None:
    """Whole names alone, in either case; those of the image stay."""
    assert bool(SECRET_VARIABLES.fullmatch(name)) is secret


def test_a_request_is_answered(stack: ExitStack) -> None:
    """In a process of its own, which a second end of it doesn't harm."""
    connection = started(stack)
    connection.send({"load": [], "module": None})
    assert connection.receive(math.inf, "is slow") == {"found": {}, "module_has": []}
    connection.close()
    connection.close()


def test_a_process_that_is_killed_is_told_by_its_signal(stack: ExitStack) -> None:
    """By SIGKILL, as the kernel does where memory is short."""
    connection = started(stack)
    os.kill(connection._process.pid, signal.SIGKILL)
    with pytest.raises(LostError, match=r"^ended its process, by SIGKILL$") as lost:
        connection.receive(math.inf, "is slow")
    assert (lost.value.died, lost.value.killed) == (True, True)


def test_an_answer_that_does_not_come_in_time_ends_the_process(stack: ExitStack) -> None:
    """With the words of whoever waited for it."""
    connection = started(stack)
    with pytest.raises(LostError, match=r"^is slow$") as lost:
        connection.receive(0.0, "is slow")
    assert not lost.value.died
    assert connection._process.poll() == -signal.SIGKILL


def test_a_stop_ends_the_waiting_and_the_process(stack: ExitStack) -> None:
    """However long the answer may take."""
    connection = started(stack, interrupted=True)
    with pytest.raises(DroppedError):
        connection.receive(math.inf, "is slow")
    assert connection._process.poll() == -signal.SIGKILL
