"""Claims about what all kinds share."""

from __future__ import annotations

from trainyard_api.checkpoint import Checkpoint
from trainyard_api.kind import ObjectMeta
from trainyard_api.training_job import TrainingJob


def test_no_kind_is_among_all() -> None:
    """`kubectl delete all --all` must delete nobody's jobs; `kubectl get trainyard` shows both kinds."""
    for kind in (TrainingJob, Checkpoint):
        assert kind.names.categories == ("trainyard",)


def test_short_names_differ() -> None:
    """Each leads to one kind."""
    short = [name for kind in (TrainingJob, Checkpoint) for name in kind.names.short_names]
    assert sorted(short) == ["tckpt", "tj"]


def test_metadata_of_an_older_or_newer_server_is_read() -> None:
    """Members that we don't read are ignored, and those that a new object lacks are empty."""
    meta = ObjectMeta.model_validate({"name": "sums", "managedFields": [{}], "resourceVersion": "7"})
    assert (meta.namespace, meta.uid, meta.finalizers, meta.resource_version) == ("default", "", [], "7")
