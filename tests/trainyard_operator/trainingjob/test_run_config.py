"""Claims about the run config of an attempt."""

from __future__ import annotations

import json

import pytest

from tests.trainyard_operator.builders import NAME, UID, checkpoint, claim, job, running_status
from trainyard_api import names
from trainyard_api.run_config import RunConfig
from trainyard_operator.trainingjob.run_config import config_map_body, config_map_name, run_config_text

CHILD = {"metadata": {"name": "sums-1", "namespace": "team-a", "uid": "child-uid", "labels": {"a": "b"}}}


def test_a_trainer_understands_every_field() -> None:
    """It refuses unknown ones; and two renderings of one spec are equal to the letter."""
    text = run_config_text(job(), 2, None)
    config = RunConfig.model_validate_json(text, extra="forbid")
    assert (config.run.name, config.run.uid, config.run.attempt) == (NAME, UID, 2)
    assert config.model.scratch is not None
    assert config.database_secret == "trainyard-db"
    assert text == run_config_text(job(), 2, None)


def test_every_attempt_writes_the_day_of_the_jobs_creation() -> None:
    """A chat template that writes the date would otherwise change the run over midnight."""
    created = job()
    assert created.metadata.creation_timestamp is not None
    days = {RunConfig.model_validate_json(run_config_text(created, attempt, None)).run.began_on for attempt in (1, 2)}
    assert days == {created.metadata.creation_timestamp[:10]}


def test_a_pinned_checkpoint_is_resolved_to_its_files() -> None:
    """URI and storage of the object, digest as pinned."""
    made = checkpoint(claim(), name="mine")
    reference = {"checkpoint": "mine", "uid": "checkpoint-uid", "digest": claim().digest}
    source = job(model={"checkpoint": {"name": "mine"}}, status=running_status(modelRef=reference))
    config = RunConfig.model_validate_json(run_config_text(source, 1, made))
    assert config.model.checkpoint is not None
    assert (config.model.checkpoint.uri, config.model.checkpoint.digest) == (claim().uri, claim().digest)
    assert config.model.checkpoint.storage.s3 == made.spec.storage.s3
    with pytest.raises(ValueError, match="must be pinned"):
        run_config_text(source, 1, None)


def test_the_map_is_immutable_named_by_its_text_and_owned_by_the_child() -> None:
    """So that it goes with the Job, and never changes under a pod."""
    name = config_map_name(NAME, 1, "{}")
    assert name != config_map_name(NAME, 1, "{} ")
    body = config_map_body(name, "{}", CHILD)
    assert body["immutable"] is True
    assert json.loads(body["data"][names.RUN_CONFIG_FILE]) == {}
    assert body["metadata"]["ownerReferences"][0]["uid"] == "child-uid"
