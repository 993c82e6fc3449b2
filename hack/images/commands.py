"""Long commands of the image builds: their output goes to a log, a person sees how far they are.

Knows nothing of images.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from hack.cluster import layout
from hack.cluster.progress import say
from hack.images.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SAY_EVERY = 20.0


def logged(label: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Runs a command; every 20 s says the last line it wrote. Returns the seconds it took.

    Args:
        label: names the step to the person and its log file: `trainer: build`.
        command: the program and its arguments.
        environment: added to this process's own.

    Raises:
        ImageError: it failed; holds the end of its log.
    """
    log = _log(label)
    began = said = time.monotonic()
    with log.open("w") as output:
        merged = {**os.environ, **(environment or {})}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=merged)
        while process.poll() is None:
            time.sleep(0.05)
            if time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                say(f"{label}: {_last_line(log)}")
    if process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ImageError(f"{label}: {command[0]} ended with {process.returncode}; the end of {log}:\n{tail}")
    return time.monotonic() - began


def answer(command: Sequence[str]) -> str:
    """Runs a short command; returns what it printed.

    Raises:
        ImageError: it failed; holds what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImageError(f"{' '.join(command[:1])}: ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip()


def succeeds(command: Sequence[str]) -> bool:
    """Says whether a short command ends with 0."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _log(label: str) -> Path:
    folder = layout.cache() / "images" / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{label.replace(': ', '-').replace(' ', '-')}.log"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1][:120] if lines else "..."
