"""What every storage promises, tried on a real S3 server and on a folder."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import servers
from trainyard_api.model_source import S3Location, SecretReference
from trainyard_trainer.storage.storage import Storage
from trainyard_trainer.storage.storage_folder import FolderStorage
from trainyard_trainer.storage.storage_s3 import Credentials, Fields, S3Storage


@pytest.fixture(params=[pytest.param("s3", marks=pytest.mark.integration), "folder"])
def storage(request: pytest.FixtureRequest, tmp_path: Path):
    """An empty storage of each kind."""
    if request.param == "folder":
        yield FolderStorage(tmp_path / "root")
        return
    server: servers.S3Server = request.getfixturevalue("s3")
    location = S3Location(
        bucket=server.make_bucket(), endpoint=server.endpoint, secret_ref=SecretReference(name="trainyard-s3")
    )
    bucket = S3Storage(location, Credentials(server.access_key, server.secret_key), Fields.below("spec"))
    yield bucket
    bucket.close()


def test_what_is_put_can_be_got(storage: Storage, tmp_path: Path) -> None:
    """Bytes and streams come back as they were, small ones and those sent in parts."""
    big = tmp_path / "big"
    big.write_bytes(bytes(range(256)) * 80_000)
    storage.put("a/small", b"hello")
    storage.put("a/empty", b"")
    with big.open("rb") as stream:
        storage.put("a/big", stream)

    assert storage.get("a/small") == b"hello"
    assert storage.get("a/empty") == b""
    copy = tmp_path / "copy"
    storage.download("a/big", copy)
    assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(big.read_bytes()).digest()


def test_a_put_replaces(storage: Storage) -> None:
    """The last writer's content counts."""
    storage.put("key", b"one")
    storage.put("key", b"two")
    assert storage.get("key") == b"two"


def test_put_if_absent_never_replaces(storage: Storage) -> None:
    """The first content stays, and the second writer learns it."""
    assert storage.put_if_absent("a/COMMIT", b"one")
    assert not storage.put_if_absent("a/COMMIT", b"two")
    assert storage.get("a/COMMIT") == b"one"


def test_of_several_writers_one_wins(storage: Storage) -> None:
    """Eight at once: one is told that it wrote, and its content is there."""
    contents = [str(number).encode() for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda content: storage.put_if_absent("COMMIT", content), contents))
    assert sum(won) == 1
    assert storage.get("COMMIT") == contents[won.index(True)]


def test_a_missing_key_is_a_file_not_found(storage: Storage, tmp_path: Path) -> None:
    """Readers tell absence from trouble."""
    storage.check(write=True)
    with pytest.raises(FileNotFoundError):
        storage.get("nowhere")
    with pytest.raises(FileNotFoundError):
        storage.download("nowhere", tmp_path / "copy")


def test_list_gives_every_file_below_a_prefix(storage: Storage) -> None:
    """By key and size; a prefix need not end at a slash; nothing else is shown."""
    for key in ("a/b/one", "a/b/deep/two", "a/bc", "other"):
        storage.put(key, key.encode())
    assert {found.key: found.size_bytes for found in storage.list("a/b")} == {
        "a/b/one": 7,
        "a/b/deep/two": 12,
        "a/bc": 4,
    }
    assert {found.key for found in storage.list("a/b/")} == {"a/b/one", "a/b/deep/two"}
    assert list(storage.list("nowhere/")) == []


def test_list_goes_past_a_page(storage: Storage) -> None:
    """More keys than one reply of an S3 server holds."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: storage.put(f"many/{number:04}", b""), range(1005)))
    assert len(list(storage.list("many/"))) == 1005


def test_a_check_leaves_nothing(storage: Storage) -> None:
    """Trying the right to write makes no object."""
    storage.check(write=True)
    storage.check(write=False)
    assert list(storage.list("")) == []


def test_an_address_leads_back_to_its_key(storage: Storage) -> None:
    """And an address elsewhere to none."""
    assert storage.key_of(storage.uri("a/step-1/")) == "a/step-1/"
    assert storage.key_of(storage.uri("a/COMMIT")) == "a/COMMIT"
    assert storage.key_of("s3://another-bucket/a/") is None
    assert storage.key_of("file:///etc/") is None
