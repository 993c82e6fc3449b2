"""What a figure depends on besides the code: the machine, the threads, the versions, and how it was asked for."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch


def processor() -> str:
    """Names the processor and counts its cores."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return f"{line.split(':', 1)[1].strip()} with {os.cpu_count()} cores"
    return platform.machine()


def circumstances(packages: Sequence[str]) -> list[str]:
    """Writes two lines for below a table: machine, load, threads and versions; and the command."""
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", *packages))
    load = os.getloadavg()[0]
    threads = torch.get_num_threads()
    return [
        f"{processor()}, load {load:.1f}, threads: {threads}, Python {platform.python_version()}, {versions}",
        f"`python -m {_module()} {shlex.join(sys.argv[1:])}`",
    ]


def _module() -> str:
    main = sys.modules["__main__"].__spec__
    return main.name if main is not None else Path(sys.argv[0]).name
