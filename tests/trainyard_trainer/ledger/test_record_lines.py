"""Lines of JSON: which are records, and what is wrong with the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trainyard_trainer.ledger.record_lines import Fault, read_records

MEMBERS = {"step": int, "kind": str}
GOOD = b'{"step": 1, "kind": "a", "more": [NaN]}'


def read(path: Path, content: bytes) -> list[object]:
    """What a file with this content holds."""
    path.write_bytes(content)
    return [found for _, found in read_records(path, MEMBERS)]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"", "isn't JSON (Expecting value, column 1)"),
        (b"garbage", "isn't JSON (Expecting value, column 1)"),
        (GOOD[:20], "isn't JSON (Expecting value, column 21)"),
        (GOOD + GOOD, "isn't JSON (Extra data, column 40)"),
        (bytes(40), "isn't JSON (Expecting value, column 1)"),
        (b"\xef\xbb\xbf" + GOOD, "isn't JSON (Unexpected UTF-8 BOM (decode using utf-8-sig), column 1)"),
        (
            b"[" * 100_000,
            "isn't JSON (maximum recursion depth exceeded while decoding a JSON array from a unicode string)",
        ),
        (b"1" * 5000, "isn't JSON (Exceeds the limit"),
        (b'{"step": "caf\xc3"}', "isn't UTF-8 (byte 14 of the line)"),
        (b"[1]", "isn't a JSON object"),
        (b"null", "isn't a JSON object"),
        (b'{"kind": "a"}', "lacks the member 'step'"),
        (b'{"step": true, "kind": "a"}', "lacks the member 'step'"),
        (b'{"step": 1.0, "kind": "a"}', "lacks the member 'step'"),
        (b'{"step": -1, "kind": "a"}', "lacks the member 'step'"),
        (b'{"step": 1, "kind": null}', "lacks the member 'kind'"),
    ],
)
def test_what_is_no_record_is_said_with_its_place(tmp_path: Path, line: bytes, what: str) -> None:
    """The line's number, and why; the lines around it are read all the same."""
    path = tmp_path / "lines"
    first, fault, last = read(path, GOOD + b"\n" + line + b"\n" + GOOD + b"\n")
    assert first == last
    assert isinstance(fault, Fault)
    assert str(fault).startswith(f"{path}, line 2: {what}")
    assert not fault.cut_off


@pytest.mark.parametrize("length", range(1, len(GOOD)))
def test_a_line_that_a_killed_process_left_is_cut_off(tmp_path: Path, length: int) -> None:
    """Wherever its end came."""
    _, fault = read(tmp_path / "lines", GOOD + b"\n" + GOOD[:length])
    assert fault == Fault(tmp_path / "lines", 2, "is cut off", cut_off=True)


def test_a_record_whose_line_has_no_end_is_whole(tmp_path: Path) -> None:
    """An object ends with its bracket: nothing of it is missing."""
    first, last = read(tmp_path / "lines", GOOD + b"\r\n" + GOOD)
    assert not isinstance(last, Fault)
    assert first.keys() == last.keys()


def test_a_folder_and_nothing_at_all(tmp_path: Path) -> None:
    """A folder or a pipe in the file's place is a fault; a file that isn't there has no lines."""
    assert list(read_records(tmp_path / "absent", MEMBERS)) == []
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        ((_, fault),) = read_records(path, MEMBERS)
        assert str(fault) == f"{path}: is no file; must be one, with an object to a line"
