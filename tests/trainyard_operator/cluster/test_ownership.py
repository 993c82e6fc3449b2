"""What is made for a TrainingJob goes with it."""

from __future__ import annotations

from tests.trainyard_operator.builders import job
from trainyard_operator.cluster.ownership import owner_reference


def test_the_owner_is_the_very_job_and_controls_what_is_made() -> None:
    """By its uid: a job of the same name that comes later inherits nothing. It isn't gone before what it made is."""
    one = job()
    later = one.model_copy(update={"metadata": one.metadata.model_copy(update={"uid": "another"})})
    assert owner_reference(one) == {
        "apiVersion": "trainyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "name": one.metadata.name,
        "uid": one.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert owner_reference(later) == owner_reference(one) | {"uid": "another"}
