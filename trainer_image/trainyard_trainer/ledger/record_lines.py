"""Lines of JSON in a file, whatever a killed process, a full disk or an editor has left among them.

Place in the data's way: station 10, where there is no Postgres. Says which lines are records and what is wrong with the
others; what follows from that is decided elsewhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """Says what is wrong with a line that is no record; `line` counts from 1, None where the whole file is at fault.

    `cut_off` says that it is the end of the file, without a line's end: what a killed process leaves.
    """

    path: Path
    line: int | None
    what: str
    cut_off: bool = False

    def __str__(self) -> str:
        where = str(self.path) if self.line is None else f"{self.path}, line {self.line}"
        return f"{where}: {self.what}"


def is_plain_file(path: Path) -> bool:
    """Says whether there is a file, and no link to one: what is written must lie in the run's folder."""
    return path.is_file() and not path.is_symlink()


def read_records(path: Path, members: Mapping[str, type]) -> Iterator[tuple[bytes, Record | Fault]]:
    """Reads each line of a file with the record that it holds, or with what is wrong.

    Args:
        path: the file; where there is none, there are no lines.
        members: what a record must have, and of which type; its numbers count something, so none is negative.
    """
    if not os.path.lexists(path):
        return
    if not is_plain_file(path):
        yield b"", Fault(path, None, "is no file; must be one, with an object to a line")
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            found = _record(line, members)
            yield line, Fault(path, number, found, not line.endswith(b"\n")) if isinstance(found, str) else found


def _record(line: bytes, members: Mapping[str, type]) -> Record | str:
    """Reads the record, or says what the line is in its place."""
    try:
        value = json.loads(line.rstrip(b"\r\n").decode())
    except UnicodeDecodeError as error:
        return f"isn't UTF-8 (byte {error.start + 1} of the line)" if line.endswith(b"\n") else "is cut off"
    except (ValueError, RecursionError) as error:
        text = f"{error.msg}, column {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else str(error)
        return f"isn't JSON ({text})" if line.endswith(b"\n") else "is cut off"
    if not isinstance(value, dict):
        return "isn't a JSON object"
    for member, kind in members.items():
        got = value.get(member)
        if type(got) is not kind or (isinstance(got, int) and got < 0):
            return f"lacks the member {member!r}, or has it in another form than this trainer writes"
    return value
