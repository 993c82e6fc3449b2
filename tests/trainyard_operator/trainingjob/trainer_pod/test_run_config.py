"""Claims about the run config of an attempt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.trainyard_operator.builders import NAME, UID, checkpoint, claim, job, running_status
from trainyard_api import names
from trainyard_api.run_config import RUN_CONFIG_VERSION, RunConfig
from trainyard_operator.trainingjob.trainer_pod.run_config import config_map_body, config_map_name, run_config_text

CHILD = {"metadata": {"name": "sums-1", "namespace": "team-a", "uid": "child-uid", "labels": {"a": "b"}}}


def test_a_trainer_understands_every_field() -> None:
    """It refuses unknown ones; and two renderings of one spec are equal to the letter."""
    text = run_config_text(job(), 2, None)
    config = RunConfig.model_validate_json(text, extra="forbid")
    assert (config.run.name, config.run.uid, config.run.attempt) == (NAME, UID, 2)
    assert config.model.scratch is not None
    assert config.database_secret == "trainyard-db"
    assert text == run_config_text(job(), 2, None)


def test_the_whole_of_it_is_what_is_written_down() -> None:
    """Every field that a small job's trainer reads, each from the manifest."""
    small = job(
        tags={"commit": "1a2b"},
        evaluation={"questions": 7},
        tracking={"wandb": {"project": "agents", "secretRef": {"name": "wandb"}}},
        trainer={"cpu": "1", "memory": "1.5Gi"},
    )
    written = json.loads(run_config_text(small, 2, None))
    wire = small.spec.to_wire()
    assert written == {
        "version": RUN_CONFIG_VERSION,
        "run": {"namespace": "team-a", "name": NAME, "uid": UID, "attempt": 2, "beganOn": "2026-01-02"},
        "model": {"scratch": wire["model"]["scratch"]},
        **{name: wire[name] for name in ("algorithm", "task", "evaluation", "tracking", "tags")},
        "checkpoints": {name: wire["checkpoints"][name] for name in ("everySteps", "stopGraceSeconds", "storage")},
        "memoryLimitBytes": 1610612736,
        "databaseSecret": "trainyard-db",
    }


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"s3": {"bucket": "models", "prefix": "base", "secretRef": {"name": "theirs"}}}, "s3"),
        ({"path": "/models/base"}, "path"),
        ({"huggingFace": {"repository": "org/name", "revision": "0" * 40}}, "huggingFace"),
    ],
)
def test_any_source_of_weights_reaches_the_trainer(source: dict[str, Any], name: str) -> None:
    """As the manifest has it."""
    asked = job(model=source)
    assert json.loads(run_config_text(asked, 1, None))["model"] == {name: asked.spec.model.to_wire()[name]}


def test_a_baseline_is_resolved_like_the_model() -> None:
    """By name, files and digest; without a pin there is none."""
    reference = {"checkpoint": "other", "uid": "checkpoint-uid", "digest": claim(3).digest}
    spec = {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "other"}}}
    asked = job(status=running_status(baselineRef=reference), **spec)
    made = checkpoint(claim(3), name="other")
    assert json.loads(run_config_text(asked, 1, None, made))["baseline"] == {
        "name": "other",
        "uri": claim(3).uri,
        "digest": claim(3).digest,
        "storage": {"s3": made.spec.storage.to_wire()["s3"]},
    }
    assert "baseline" not in json.loads(run_config_text(asked, 1, None))
    with pytest.raises(ValueError, match="must be pinned"):
        run_config_text(job(**spec), 1, None, made)


def test_a_job_that_was_never_stored_began_on_no_day() -> None:
    """Its creation has no time yet."""
    fresh = job().model_copy(update={"metadata": job().metadata.model_copy(update={"creation_timestamp": None})})
    assert "beganOn" not in json.loads(run_config_text(fresh, 1, None))["run"]


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
    assert config.model.checkpoint.name == "mine"
    assert config.model.checkpoint.storage.s3 == made.spec.storage.s3
    with pytest.raises(ValueError, match="must be pinned"):
        run_config_text(source, 1, None)


def test_the_map_is_immutable_named_by_its_text_and_owned_by_the_child() -> None:
    """So that it goes with the Job, and never changes under a pod."""
    name = config_map_name(NAME, 1, "{}")
    assert name != config_map_name(NAME, 1, "{} ")
    body = config_map_body(name, "{}", CHILD)
    assert name.startswith(f"{NAME}-1-")
    assert config_map_name(NAME, 2, "{}").startswith(f"{NAME}-2-")
    assert body == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": "team-a",
            "labels": {"a": "b"},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": "sums-1",
                    "uid": "child-uid",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "immutable": True,
        "data": {names.RUN_CONFIG_FILE: "{}"},
    }
