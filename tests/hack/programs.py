"""Programs that stand in for those of a cluster: each writes down how it was called, and says what it is told."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path


class Program:
    """An executable file."""

    def __init__(self, folder: Path, name: str, *, says: str = "", fails: str = "") -> None:
        """Makes it: it prints `says`, or prints `fails` to stderr and ends with 1."""
        folder.mkdir(parents=True, exist_ok=True)
        self._calls = folder / f"{name}.calls"
        note = (
            "import json, sys\n"
            f"with open({str(self._calls)!r}, 'a') as file:\n"
            "    print(json.dumps([sys.argv[1:], sys.stdin.read()]), file=file)\n"
        )
        path = folder / name
        path.write_text(
            "#!/bin/sh\n"
            f'{shlex.quote(sys.executable)} -c {shlex.quote(note)} "$@" || exit 3\n'
            f"printf %s {shlex.quote(says)}\n" + (f"printf %s {shlex.quote(fails)} >&2\nexit 1\n" if fails else "")
        )
        path.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call."""
        return [arguments for arguments, _ in self._read()]

    @property
    def read(self) -> list[str]:
        """What each call read from its standard input."""
        return [text for _, text in self._read()]

    def _read(self) -> list[tuple[list[str], str]]:
        if not self._calls.exists():
            return []
        return [tuple(json.loads(line)) for line in self._calls.read_text().splitlines()]
