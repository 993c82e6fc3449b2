"""A data file is read from where the manifest says, or refused with that field."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from trainyard_api.task import TaskData
from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.sources import DataAccess, fetch_data, mounted
from trainyard_trainer.data.splits import Split
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.storage_s3 import Credentials, Fields, S3Storage

LINE = b'{"query": "2+2", "expected_outcome": 4}\n'


def data(**sources: dict[str, Any]) -> TaskData:
    """Of the manifest."""
    return TaskData.model_validate(sources, extra="forbid")


def refusal(asked: TaskData, access: DataAccess | None = None) -> RefusedError:
    """What fetching it raises."""
    with pytest.raises(RefusedError) as refused:
        fetch_data(asked, access or DataAccess())
    return refused.value


def test_a_pods_files_lie_where_they_are_mounted() -> None:
    """Each set in a folder of its own: two ConfigMaps may have the same key."""
    assert mounted("train", "q.jsonl") == Path("/etc/trainyard-data/train/q.jsonl")


def test_every_set_is_read_from_its_own_source(tmp_path: Path) -> None:
    """Two of ConfigMaps with the same key, one of a path."""
    for name in ("train", "validation"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "q.jsonl").write_bytes(LINE.replace(b"2+2", name.encode()))
    (tmp_path / "mine.jsonl").write_bytes(LINE * 2)
    source = {"configMap": {"name": "queries", "key": "q.jsonl"}}
    asked = data(train=source, validation=source, test={"path": str(tmp_path / "mine.jsonl")})
    files = fetch_data(asked, DataAccess(config_map=lambda split, key: tmp_path / split / key))
    assert [(split, [q.text for q in file.questions]) for split, file in files.items()] == [
        (Split.TRAIN, ["train"]),
        (Split.VALIDATION, ["validation"]),
        (Split.TEST, ["2+2", "2+2"]),
    ]


def test_a_task_with_questions_of_its_own_needs_no_file() -> None:
    """Nothing is read."""
    assert fetch_data(None, DataAccess()) == {}


def test_what_cannot_be_read_is_refused_with_its_field(tmp_path: Path) -> None:
    """A file that isn't there, a folder, a file without the right to read it, a broken one."""
    absent = refusal(data(train={"path": f"{tmp_path}/absent"}))
    assert absent.reason is TerminationReason.INVALID_DATA
    assert (absent.field_path, absent.value) == ("spec.task.data.train.path", f"{tmp_path}/absent")
    assert "Is a directory" in str(refusal(data(train={"path": str(tmp_path)})))
    key = refusal(
        data(train={"configMap": {"name": "queries", "key": "q"}}), DataAccess(config_map=lambda *_: tmp_path / "q")
    )
    assert (key.field_path, key.value) == ("spec.task.data.train.configMap.key", "q")
    (tmp_path / "broken").write_bytes(LINE + b"{")
    broken = refusal(data(train={"path": f"{tmp_path}/broken"}))
    assert "broken line 2" in str(broken)
    assert broken.field_path == "spec.task.data.train"


def test_a_file_without_the_right_to_read_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read anything, so the kernel's answer is given here."""
    (tmp_path / "secret").write_bytes(LINE)

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert "Permission denied" in str(refusal(data(train={"path": f"{tmp_path}/secret"})))


def test_a_bucket_without_credentials_names_the_secret() -> None:
    """Of the set that lies in it."""
    error = refusal(data(train={"s3": {"bucket": "data", "prefix": "q.jsonl", "secretRef": {"name": "s3-login"}}}))
    assert error.reason is TerminationReason.STORAGE_UNAVAILABLE
    assert (error.field_path, error.value) == ("spec.task.data.train.s3.secretRef.name", "s3-login")


def test_a_bucket_without_the_files_key_is_refused() -> None:
    """A bucket's root, which is a folder's default, is no file."""
    access = DataAccess(credentials={"train": Credentials("key", "secret")})
    error = refusal(data(train={"s3": {"bucket": "data", "secretRef": {"name": "s3-login"}}}), access)
    assert (error.reason, error.field_path) == (TerminationReason.INVALID_DATA, "spec.task.data.train.s3.prefix")


@pytest.mark.integration
def test_a_bucket_is_read_and_its_faults_are_named(s3: servers.S3Server) -> None:
    """The prefix is the whole key; a missing key, a missing bucket and refused credentials have their fields."""
    bucket = s3.make_bucket()
    where = {"bucket": bucket, "endpoint": s3.endpoint, "prefix": "sets/q.jsonl", "secretRef": {"name": "s3-login"}}
    asked = data(train={"s3": where})
    login = Credentials(s3.access_key, s3.secret_key)
    access = DataAccess(credentials={"train": login})
    missing = refusal(asked, access)
    assert missing.reason is TerminationReason.INVALID_DATA
    assert (missing.field_path, missing.value) == ("spec.task.data.train.s3.prefix", "sets/q.jsonl")
    assert asked.train.s3 is not None
    storage = S3Storage(asked.train.s3, login, Fields.below("x"))
    storage.put("sets/q.jsonl", LINE)
    storage.close()
    assert [q.text for q in fetch_data(asked, access)[Split.TRAIN].questions] == ["2+2"]
    nowhere = refusal(data(train={"s3": where | {"bucket": "nowhere"}}), access)
    assert nowhere.field_path == "spec.task.data.train.s3.bucket"
    wrong = refusal(asked, DataAccess(credentials={"train": Credentials(s3.access_key, "no-key")}))
    assert wrong.field_path == "spec.task.data.train.s3.secretRef.name"
    assert "no-key" not in str(wrong)
