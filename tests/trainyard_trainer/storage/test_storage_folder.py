"""A folder: files appear whole or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from trainyard_trainer.storage.storage_folder import FolderStorage


def test_a_write_that_fails_leaves_the_former_content_and_no_scrap(tmp_path: Path) -> None:
    """The source ends with an error half way: readers see the old file, and nothing else."""
    storage = FolderStorage(tmp_path)
    storage.put("key", b"old")

    class Torn(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise OSError("the disk is gone")
            return super().read(size)

    with pytest.raises(OSError, match="the disk is gone"):
        storage.put("key", Torn(b"new" * 2**20))
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


def test_a_folder_is_no_file_of_its_key(tmp_path: Path) -> None:
    """As in a bucket: whoever asks for it, or for something below a file, is told that there is no such key."""
    storage = FolderStorage(tmp_path)
    (tmp_path / "COMMIT").mkdir()
    storage.put("file", b"")
    for key in ("COMMIT", "file/below"):
        with pytest.raises(FileNotFoundError):
            storage.get(key)
        with pytest.raises(FileNotFoundError):
            storage.download(key, tmp_path / "into")


@pytest.mark.parametrize("key", ["../escaped", "a/../../escaped", "/tmp/escaped"])
def test_a_key_does_not_climb_out(tmp_path: Path, key: str) -> None:
    """Neither to be read nor to be written, whatever it was made of."""
    storage = FolderStorage(tmp_path / "root")
    for work in (
        lambda: storage.put(key, b""),
        lambda: storage.put_if_absent(key, b""),
        lambda: storage.get(key),
        lambda: storage.download(key, tmp_path / "into"),
    ):
        with pytest.raises(ValueError, match="leads below the storage's root"):
            work()
    assert list(tmp_path.rglob("*")) == []


def test_a_file_and_its_name_are_on_the_disk_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes before it has the name, its name and those of new folders before the call returns."""
    order: list[tuple[str, str]] = []
    real_fsync, real_link, real_replace = os.fsync, os.link, Path.replace

    def fsync(file: int) -> None:
        order.append(("flushed", str(Path(f"/proc/self/fd/{file}").readlink().relative_to(tmp_path))))
        real_fsync(file)

    def link(aside: Path, target: Path) -> None:
        order.append(("named", target.name))
        real_link(aside, target)

    def replace(aside: Path, target: Path) -> Path:
        order.append(("named", target.name))
        return real_replace(aside, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(Path, "replace", replace)
    storage = FolderStorage(tmp_path)
    storage.put("a/b/file", b"content")
    storage.put_if_absent("a/b/COMMIT", b"content")
    steps = [(what, name.split("/.")[0] + "/." if "/." in name else name) for what, name in order]
    assert steps == [
        ("flushed", "a"),
        ("flushed", "."),
        ("flushed", "a/b/."),
        ("named", "file"),
        ("flushed", "a/b"),
        ("flushed", "a/b/."),
        ("named", "COMMIT"),
        ("flushed", "a/b"),
    ]
