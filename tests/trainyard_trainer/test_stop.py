"""A signal asks for a stop; a second one doesn't ask."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.waiting import GUARD_SECONDS

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
