"""Claims about the files of ConfigMaps that a pod is given."""

from __future__ import annotations

from tests.trainyard_operator.builders import job
from trainyard_api import names
from trainyard_operator.trainingjob.trainer_pod.files import mounts_of


def test_each_file_has_a_folder_and_a_volume_of_its_own() -> None:
    """Module, training and validation data; what lies in a bucket isn't mounted."""
    task = {
        "name": "mine",
        "module": {"name": "code", "key": "mine.py"},
        "data": {
            "train": {"configMap": {"name": "questions", "key": "train.jsonl"}},
            "validation": {"configMap": {"name": "questions", "key": "check.jsonl"}},
            "test": {"s3": {"bucket": "data", "prefix": "test.jsonl", "secretRef": {"name": "data-s3"}}},
        },
        "rewards": [{"name": "exact"}],
    }
    mounts = mounts_of(job(task=task).spec.task)
    assert [mount.folder for mount in mounts] == [
        names.MODULE_DIRECTORY,
        f"{names.DATA_DIRECTORY}/train",
        f"{names.DATA_DIRECTORY}/validation",
    ]
    assert len({mount.volume()["name"] for mount in mounts}) == 3
    assert mounts[0].volume()["configMap"] == {"name": "code", "items": [{"key": "mine.py", "path": "mine.py"}]}
    assert all(mount.mount()["readOnly"] for mount in mounts)
    assert mounts_of(job().spec.task) == []
