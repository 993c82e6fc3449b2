"""Rows as files hold what the rows were, and a reader believes nothing that they say."""

from __future__ import annotations

import gzip
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.trainyard_trainer.ledger_rows import RUN, batch, metrics
from trainyard_api.ledger import TRAJECTORIES
from trainyard_trainer.ledger import row_files
from trainyard_trainer.ledger.row_batch import WRITTEN_TABLES, ClaimRows, MeasurementRows, StepRows
from trainyard_trainer.ledger.row_files import INDEX_FILE, KeptRows, RowFiles, Spool, write_files
from trainyard_trainer.sinks import SavedCheckpoint, StepMetrics

SAVED = SavedCheckpoint(1, "s3://b/1/", "sha256:" + "0" * 64, 1, {"loss": "0.5"}, None, updates=2)
BATCHES = (
    StepRows(RUN, batch(0), metrics(0)),
    StepRows(RUN, [], metrics(1)),
    MeasurementRows(RUN, StepMetrics("evaluation", 2, 2, {"success_rate": 1.0}), batch(0), None),
    ClaimRows(RUN, [SAVED]),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything that a trainer writes, as a checkpoint has it."""
    write_files([KeptRows(RUN.uid, one) for one in BATCHES], tmp_path / "rows")
    return tmp_path / "rows"


def test_rows_are_the_same_after_they_were_files(folder: Path) -> None:
    """Table by table, in their order, as often as they are read; the same bytes each time they are written."""
    files = RowFiles(folder, RUN)
    for table in WRITTEN_TABLES:
        expected = [row for one in BATCHES for row in one.of(table)]
        assert list(files.of(table)) == expected
        assert [row for one in BATCHES for row in KeptRows(RUN.uid, one).of(table)] == expected
    assert files.check() == sum(KeptRows(RUN.uid, one).rows for one in BATCHES)
    again = folder.with_name("again")
    write_files([KeptRows(RUN.uid, one) for one in BATCHES], again)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_anybody_can_read_them(folder: Path) -> None:
    """With gzip and JSON alone, as the documentation says."""
    index = json.loads((folder / INDEX_FILE).read_text())
    assert index["version"] == 1
    for name, entry in index["tables"].items():
        lines = gzip.decompress((folder / f"{name}.jsonl.gz").read_bytes()).splitlines()
        assert len(lines) == entry["rows"]
        assert all(isinstance(json.loads(line), dict) for line in lines)


def test_kept_rows_have_no_name_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed pod kept takes no space."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    kept = KeptRows(RUN.uid, BATCHES[0])
    assert kept.packed_bytes > 0
    assert list(tmp_path.iterdir()) == []


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_spool_s_files_are_closed_as_what_they_hold_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """So their space is freed; what is still kept can be read, whoever packs beside."""
    monkeypatch.setattr(row_files, "_FILE_BYTES", 3000)
    spool, before, rows = Spool(), open_files(), StepRows(RUN, batch(0), metrics(0))
    kept = [KeptRows(RUN.uid, rows, spool) for _ in range(12)]
    most = open_files() - before
    assert 2 < most <= sum(one.packed_bytes for one in kept) // 3000 + 1
    del kept[:-1]
    assert open_files() - before == 1
    assert list(kept[0].of(TRAJECTORIES)) == list(rows.of(TRAJECTORIES))


def test_rows_that_find_no_space_leave_the_others_as_they_are() -> None:
    """The next ones lie where they would have."""
    spool, rows = Spool(), StepRows(RUN, batch(0), metrics(0))
    before = KeptRows(RUN.uid, rows, spool)

    def full() -> Iterator[bytes]:
        yield bytes(random.Random(0).randbytes(2**20))
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        spool.pack({"turns": full()})
    after = KeptRows(RUN.uid, rows, spool)
    for one in (before, after):
        assert list(one.of(TRAJECTORIES)) == list(rows.of(TRAJECTORIES))


def without(name: str) -> Callable[[Path], object]:
    """A file is missing."""
    return lambda folder: (folder / name).unlink()


def with_content(name: str, content: bytes) -> Callable[[Path], object]:
    """A file holds something else."""
    return lambda folder: (folder / name).write_bytes(content)


def with_entry(**entry: object) -> Callable[[Path], object]:
    """The index says something else of trajectories."""

    def change(folder: Path) -> None:
        index = json.loads((folder / INDEX_FILE).read_text())
        index["tables"]["trajectories"] |= entry
        (folder / INDEX_FILE).write_text(json.dumps(index))

    return change


PACKED = "trajectories.jsonl.gz"


@pytest.mark.parametrize(
    "change",
    [
        *(without(INDEX_FILE), without(PACKED), with_content(INDEX_FILE, b"[]"), with_content(INDEX_FILE, b"{")),
        with_content(INDEX_FILE, b'{"version": 2, "tables": {}}'),
        with_content(INDEX_FILE, b'{"version": 1, "tables": {"runs": {"rows": 0, "bytes": 0}}}'),
        with_content(INDEX_FILE, b'{"version": 1, "tables": {"turns": 5}}'),
        with_content(INDEX_FILE, b"[" * 70_000),
        *(with_entry(rows=5), with_entry(rows=7), with_entry(rows=-1), with_entry(rows=True), with_entry(rows=2**40)),
        *(with_entry(bytes=1), with_entry(bytes=2**20), with_entry(bytes="9"), with_entry(bytes=None)),
        *(with_content(PACKED, b""), with_content(PACKED, b"no gzip"), with_content(PACKED, gzip.compress(b"{}\n"))),
        with_content(PACKED, gzip.compress(b"{}\n")[:-4]),
        with_content(PACKED, gzip.compress(b"\0" * 10_000_000)),
    ],
)
def test_what_is_not_as_the_format_says_is_refused(folder: Path, change: Callable[[Path], object]) -> None:
    """Missing, cut off, of a later version, longer or shorter than announced, packed to burst."""
    change(folder)
    with pytest.raises(ValueError, match=r"."):
        RowFiles(folder, RUN).check()


def test_a_line_has_a_longest_length(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader holds one line at a time, and none that is longer."""
    monkeypatch.setattr(row_files, "MAX_LINE_BYTES", 100)
    with pytest.raises(ValueError, match="lines of bounded length"):
        list(RowFiles(folder, RUN).of(TRAJECTORIES))


def test_rows_of_a_later_attempt_are_refused(tmp_path: Path) -> None:
    """Nobody can have written them yet."""
    later = RUN.model_copy(update={"attempt": 2})
    write_files([KeptRows(RUN.uid, StepRows(later, batch(0), metrics(0)))], tmp_path / "rows")
    assert RowFiles(tmp_path / "rows", later).check() == 25
    with pytest.raises(ValueError, match="attempts up to 1"):
        RowFiles(tmp_path / "rows", RUN).check()
