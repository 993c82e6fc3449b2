"""A folder: files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard_trainer.storage.storage_folder import FolderStorage


def test_a_write_that_fails_leaves_the_former_content_and_no_scrap(tmp_path: Path) -> None:
    """The source ends with an error half way: readers see the old file, and nothing else."""
    storage = FolderStorage(tmp_path)
    storage.put("key", b"old")
    with pytest.raises(FileNotFoundError):
        storage.put("key", tmp_path / "nowhere")
    assert storage.get("key") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_files_being_written_are_not_listed(tmp_path: Path) -> None:
    """Their names are hidden ones."""
    storage = FolderStorage(tmp_path)
    with storage._aside("a/key", b"content") as aside:
        assert aside.exists()
        assert list(storage.list("a/")) == []


def test_an_address_can_not_climb_out(tmp_path: Path) -> None:
    """`..` leads nowhere."""
    storage = FolderStorage(tmp_path / "root")
    assert storage.key_of(f"file://{tmp_path}/root/../secret") is None
    assert storage.key_of(f"file://{tmp_path}/other") is None


def test_odd_names_survive_the_address(tmp_path: Path) -> None:
    """A space in the folder's name is escaped, and found again."""
    storage = FolderStorage(tmp_path / "my runs")
    uri = storage.uri("a/step-1/")
    assert " " not in uri
    assert storage.key_of(uri) == "a/step-1/"
