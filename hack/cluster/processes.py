"""Long-running processes that outlive the command which started them: one file per process says which it is.

A process is known by its id and its start time together, so that an id which the kernel gave to another program after
a crash or a reboot is never taken for ours. Knows nothing of what the processes do.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Process:
    """One started process."""

    name: str
    pid: int
    start: str
    """When it started, in the kernel's clock ticks since boot, and which boot that was."""


def start(
    folder: Path, name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str], tied: bool = False
) -> Process:
    """Starts a program in a session of its own, its output appended to a log, and notes it in the folder.

    Args:
        folder: holds the notes of all processes of one cluster.
        name: unique in the folder.
        argv: the program by full path, and its arguments.
        log: takes stdout and stderr.
        env: the whole environment.
        tied: kill it as soon as the thread that started it ends: for what must not outlive a test run.
    """
    command = ["setpriv", "--pdeathsig", "KILL", *argv] if tied else list(argv)
    log.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    # Not Popen: it complains when an object is dropped whose process lives on, which is the point here.
    pid = os.posix_spawnp(
        command[0],
        command,
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=[],
    )
    process = Process(name, pid, _start_of(pid) or "")
    (folder / f"{name}.json").write_text(json.dumps(process.__dict__))
    return process


def find(folder: Path, name: str) -> Process | None:
    """Finds the noted process if it still runs."""
    try:
        process = Process(**json.loads((folder / f"{name}.json").read_text()))
    except (FileNotFoundError, json.JSONDecodeError, TypeError):
        return None  # never started, or its note was cut off while being written
    return process if alive(process) else None


def names(folder: Path) -> list[str]:
    """Lists the names of all noted processes, running or not."""
    return sorted(file.stem for file in folder.glob("*.json"))


def alive(process: Process) -> bool:
    """Says whether that very process still runs; a zombie does not."""
    _reap(process.pid)
    return bool(process.start) and _start_of(process.pid) == process.start


def stop(folder: Path, name: str, *, grace: float) -> None:
    """Ends a noted process, by SIGKILL after the grace in seconds, and forgets it. Returns when it is gone."""
    process = find(folder, name)
    if process is not None:
        if grace:
            _signal(process, signal.SIGTERM)
            _wait(process, grace)
        _signal(process, signal.SIGKILL)
        _wait(process, 10)
    (folder / f"{name}.json").unlink(missing_ok=True)


def with_argument(text: str) -> list[int]:
    """Finds the ids of all processes of which one argument equals the text, such as children of a dead parent."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = file.read_bytes().split(b"\0")
        except OSError:
            continue  # it ended while we looked
        if text.encode() in arguments:
            found.append(int(file.parent.name))
    return found


def _wait(process: Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while alive(process) and time.monotonic() < deadline:
        time.sleep(0.02)


def _signal(process: Process, number: signal.Signals) -> None:
    if alive(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # started by an earlier command: its parent is init now


def _start_of(pid: int) -> str | None:
    try:
        # The second field is the program's name in parentheses and may hold anything; count after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] in "ZX" and threads <= 1:  # with more, the others are still dying and hold its files and ports
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{fields[19]}"
