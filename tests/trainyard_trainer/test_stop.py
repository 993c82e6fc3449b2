"""A signal asks for a stop, and is heeded by what hangs; a second one doesn't ask."""

from __future__ import annotations

import math
import signal
import subprocess
import sys

import pytest

from tests.waiting import GUARD_SECONDS
from trainyard_trainer.stop import NeverStopped, SignalStop

PROGRAM = """
import sys, time
from trainyard_trainer.stop import SignalStop
stop = SignalStop()
stop.install()
print("ready", flush=True)
for line in sys.stdin:
    print(stop.requested(), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_and_a_second_ends_at_once(number: signal.Signals) -> None:
    """The process goes on after the first one, and ends with the shell's code of the signal after the second."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:

        def ask() -> str:
            process.stdin.write("\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        assert process.stdout.readline() == "ready\n"
        assert ask() == "False"
        process.send_signal(number)
        assert process.stderr.readline() == f"stop: {number.name}, saving a checkpoint; a second signal ends at once\n"
        assert ask() == "True"
        process.send_signal(number)
        assert process.wait(GUARD_SECONDS) == 128 + number


HANGS = """
import contextlib, hashlib, os, threading, time
from trainyard_trainer.stop import SignalStop, leave

def last_word(error):
    print("last word:", error, flush=True)
    leave(10)

def end(name):
    def end():
        raise RuntimeError(name)
    return end

stop = SignalStop()
stop.grace_seconds = 100.0
stop.install()
stop.watch(last_word)
"""
WAYS = {
    "asleep": "time.sleep(3600)",
    "in foreign code, where Python hears no signal": "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)",
    "swallowing whatever it is thrown": """
while True:
    with contextlib.suppress(BaseException):
        time.sleep(0.01)
""",
}


def ended(program: str) -> tuple[int, list[str]]:
    """The exit code of a program that is told to stop once it says so, and all its lines."""
    with subprocess.Popen([sys.executable, "-c", HANGS + program], stdout=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stdout:
            lines.append(line.strip())
            if line == "now\n":
                process.send_signal(signal.SIGTERM)
        return process.wait(GUARD_SECONDS), lines


@pytest.mark.parametrize("hang", WAYS.values(), ids=WAYS.keys())
def test_a_block_that_does_not_come_back_is_ended_from_outside(hang: str) -> None:
    """The process ends with what `end` raises, as soon as the block's time is up."""
    inside = "".join(f"    {line}\n" for line in hang.splitlines())
    program = f"with stop.heeded_within(0.0, end('saved')):\n    print('now', flush=True)\n{inside}"
    assert ended(program) == (10, ["now", "last word: saved"])


def test_of_two_blocks_the_one_whose_time_is_up_first_ends_the_run() -> None:
    """The outer one's runs on while the inner one's end hangs; of two ends only one is told."""
    program = """
def hang():
    print("saving", flush=True)
    time.sleep(3600)

with stop.heeded_within(0.5, end("out of time")), stop.heeded_within(0.0, hang):
    print("now", flush=True)
    time.sleep(3600)
"""
    assert ended(program) == (10, ["now", "saving", "last word: out of time"])


def test_nothing_behind_a_block_that_was_ended_happens() -> None:
    """It comes back after all, while the state is saved: it would go on with what was given up."""
    program = """
back, saved = threading.Event(), threading.Event()

def save():
    back.set()
    saved.wait(1.0)
    raise RuntimeError("saved")

with contextlib.suppress(ValueError), stop.heeded_within(0.0, save):
    print("now", flush=True)
    back.wait()
    raise ValueError
print("went on", flush=True)
saved.set()
"""
    assert ended(program) == (10, ["now", "last word: saved"])


def test_a_block_that_is_left_in_time_is_not_ended() -> None:
    """Nor is one that began after the stop, before its own time is up; time passes from the request on."""
    program = """
with stop.heeded_within(100.0, end("too early")):
    print("now", flush=True)
    while not stop.requested():
        time.sleep(0.01)
with stop.heeded_within(100.0, end("too early")):
    pass
print(0 < stop.seconds_left() < 100, flush=True)
"""
    assert ended(program) == (0, ["now", "True"])


def test_a_forked_child_is_ended_by_its_signal_and_its_parent_is_not_asked() -> None:
    """As a user's own pool of processes ends its workers."""
    program = """
child = os.fork()
if child == 0:
    time.sleep(3600)
os.kill(child, 15)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), stop.requested(), flush=True)
"""
    assert ended(program) == (0, ["-15 False"])


def test_nobody_asks_before_a_signal() -> None:
    """There is all the time in the world."""
    assert SignalStop().seconds_left() == NeverStopped().seconds_left() == math.inf
    with NeverStopped().heeded_within(0.0, pytest.fail), SignalStop().heeded_within(0.0, pytest.fail):
        assert not NeverStopped().requested()
