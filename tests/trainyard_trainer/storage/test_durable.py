"""Files that are on the disk before anything is built upon them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from trainyard_trainer.storage.durable import flush_folder, replace_file


def failing(number: int) -> NoReturn:
    """What the file system says."""
    raise OSError(number, os.strerror(number))


def test_a_file_takes_another_s_place_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails before it has all of it leaves the other, and a later try succeeds."""
    path = tmp_path / "run.json"
    replace_file(path, b"old")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", lambda _: failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    replace_file(path, b"new")
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("run.json", b"new")]


def test_a_file_system_without_folders_to_flush_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some write names at once and say so; a disk that fails is one."""
    monkeypatch.setattr(os, "fsync", lambda _: failing(errno.EINVAL))
    flush_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        flush_folder(tmp_path)
