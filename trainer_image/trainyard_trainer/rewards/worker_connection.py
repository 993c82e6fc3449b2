"""A process of a user's rewards, as the trainer sees it: a socket to talk through, and how it ended.

Place in the data's way: station 6, between `worker_process` and `worker`. Started as a fresh interpreter, never forked,
so neither threads nor a GPU's context are copied. The process gets no variable that holds a secret of the trainer, yet
runs as the same user in the same pod: this keeps accidents apart, not an attacker.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import signal
import socket
import struct
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from trainyard_trainer.errors import DroppedError, TrainerError

SECRET_VARIABLES = re.compile(r"(TRAINYARD|AWS|PG|WANDB|MLFLOW)_?.*|HF_TOKEN|HUGGING_FACE_HUB_TOKEN", re.IGNORECASE)
"""Names of environment variables that the process doesn't get."""
SEND_SECONDS = 60
"""Seconds that a process, which has nothing else to do then, may take to read a part of a request."""
END_SECONDS = 5.0
"""Seconds between the end of its socket and its own."""
POLL_SECONDS = 0.1
MAX_ANSWER_BYTES = 1 << 20


class LostError(TrainerError):
    """The process ended, or had to be ended; the text says why.

    Attributes:
        died: it ended by itself.
        killed: by SIGKILL, as the kernel does where memory is short.
    """

    def __init__(self, problem: str, *, died: bool = False, killed: bool = False) -> None:
        super().__init__(problem)
        self.died = died
        self.killed = killed


class WorkerConnection:
    """Talks to a started worker process.

    Attributes:
        unused: no reward was called in it yet.

    Args:
        interrupted: asked while something is waited for; True ends the waiting.
    """

    def __init__(self, interrupted: Callable[[], bool]) -> None:
        self.unused = True
        self._interrupted = interrupted
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
        environment = {name: value for name, value in os.environ.items() if not SECRET_VARIABLES.fullmatch(name)}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, "-m", "trainyard_trainer.rewards.worker", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
        )
        theirs.close()
        self._socket = Connection(ours.detach())
        self.close = weakref.finalize(self, _kill, self._process, self._socket)
        """Ends the process and everything that it has started; twice does no harm."""

    def send(self, request: dict[str, Any]) -> None:
        """Sends a request.

        Raises:
            LostError: the process ended, or doesn't read.
        """
        try:
            self._socket.send_bytes(pickle.dumps(request))
        except BlockingIOError as error:
            raise self.lost("didn't read what it was asked") from error
        except OSError as error:
            raise self._ended() from error

    def receive(self, deadline: float, problem: str) -> dict[str, Any]:
        """Returns the next answer; ends the process with `problem` where none comes before `deadline`.

        Raises:
            LostError: it ended, or had to be ended.
            DroppedError: a stop was asked for.
        """
        while True:
            try:
                if self._socket.poll(POLL_SECONDS):
                    answer = json.loads(self._socket.recv_bytes(MAX_ANSWER_BYTES))
                    return answer if isinstance(answer, dict) else {}
                if self._process.poll() is not None and not self._socket.poll(0):
                    raise self._ended()  # a process that it has started may hold its socket
            except ValueError as error:
                raise self.lost("said what is no answer") from error
            except (EOFError, OSError) as error:
                raise self._ended() from error
            if self._interrupted():
                self.close()
                raise DroppedError
            if time.monotonic() > deadline:
                raise self.lost(problem)

    def lost(self, problem: str) -> LostError:
        """Ends the process and returns the error to raise."""
        self.close()
        return LostError(problem)

    def _ended(self) -> LostError:
        """Says how the process ended, once its socket is closed."""
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return self.lost("closed its socket")
        self.close()
        if code >= 0:
            return LostError(f"ended its process, with exit code {code}", died=True)
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-code, f"signal {-code}")
        return LostError(f"ended its process, by {name}", died=True, killed=-code == signal.SIGKILL)


def _kill(process: subprocess.Popen[bytes], connection: Connection) -> None:
    """Ends the process's whole session, for a reward may have started others."""
    connection.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
