"""Copies lie on the disk until they are written, and leave nothing behind, however the process ends."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from trainyard_trainer.checkpoints.snapshot_files import CopiedFile, copy_files

CONTENT = bytes(range(256)) * 64


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty TMPDIR."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def copied() -> CopiedFile:
    """One file."""
    return copy_files(lambda folder: (folder / "one").write_bytes(CONTENT))["one"]


def descriptors() -> int:
    """Files that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_files_are_found_by_their_path_below_the_folder(temporary: Path) -> None:
    """Sorted, with their sizes; the folder is gone already."""

    def write(folder: Path) -> None:
        (folder / "b" / "c").mkdir(parents=True)
        (folder / "b" / "c" / "d").write_bytes(CONTENT)
        (folder / "a").write_bytes(b"")

    files = copy_files(write)
    assert [(path, file.size_bytes) for path, file in files.items()] == [("a", 0), ("b/c/d", len(CONTENT))]
    assert list(temporary.iterdir()) == []


def test_a_file_is_read_as_often_as_one_likes() -> None:
    """Several streams at a time, each at a place of its own, and able to seek as an uploader does."""
    file = copied()
    with file.open() as one, file.open() as other:
        assert one.read(10) == CONTENT[:10]
        assert other.read() == CONTENT
        assert one.read(10) == CONTENT[10:20]
        assert (one.seek(-5, io.SEEK_END), one.read(), one.read()) == (len(CONTENT) - 5, CONTENT[-5:], b"")
        assert (one.seek(3), one.seek(4, io.SEEK_CUR), one.tell(), one.read(1)) == (3, 7, 7, CONTENT[7:8])


def test_a_closed_file_gives_its_descriptor_back() -> None:
    """A stream that is still read may be read to its end; the last reference that goes closes too."""
    before = descriptors()
    file = copied()
    stream = file.open()
    file.close()
    file.close()
    assert stream.read() == CONTENT
    stream.close()
    assert descriptors() == before
    with pytest.raises(ValueError, match="discarded"):
        file.open()
    forgotten = copied()
    assert descriptors() == before + 1
    del forgotten
    assert descriptors() == before


def test_a_copy_that_fails_leaves_nothing(temporary: Path) -> None:
    """The disk is full half way."""

    def write(folder: Path) -> None:
        (folder / "one").write_bytes(CONTENT)
        raise OSError("No space left on device")

    before = descriptors()
    with pytest.raises(OSError, match="No space left"):
        copy_files(write)
    assert list(temporary.iterdir()) == []
    assert descriptors() == before


def test_a_process_that_is_killed_leaves_nothing(temporary: Path) -> None:
    """Nobody can clean up after SIGKILL, and nobody has to."""
    program = (
        "import os, signal\n"
        "from trainyard_trainer.checkpoints.snapshot_files import copy_files\n"
        "files = copy_files(lambda folder: (folder / 'one').write_bytes(b'x'))\n"
        "assert files['one'].open().read() == b'x'\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ | {"TMPDIR": str(temporary)}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(temporary.iterdir()) == []
