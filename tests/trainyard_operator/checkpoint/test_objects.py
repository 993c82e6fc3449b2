"""Claims about Checkpoint objects."""

from __future__ import annotations

from typing import Any

from tests.trainyard_operator.builders import NAME, NOW, UID, checkpoint, claim, job, time_text
from trainyard_api import names
from trainyard_api.checkpoint import Checkpoint, CheckpointStatus
from trainyard_operator.checkpoint.objects import checkpoint_body, claimed_status, imported_status


def test_an_object_says_where_its_files_are_and_outlives_its_job() -> None:
    """Source and storage from claim and job; our labels; no owner. It fits the schema without a rest."""
    body = checkpoint_body(claim(), job().spec.checkpoints.storage, namespace="team-a", job=NAME, job_uid=UID)
    parsed = Checkpoint.model_validate(body, extra="forbid")
    assert parsed.spec.source.uri == claim().uri
    assert parsed.metadata.name == f"{NAME}-{UID[:5]}-1-10"
    assert "ownerReferences" not in body["metadata"]


def test_a_status_shows_step_reward_size_and_parent() -> None:
    """As the columns print them."""
    status = claimed_status(claim(), job=NAME, job_uid=UID, parent="older", generation=3, now=NOW)
    parsed = CheckpointStatus.model_validate(status, extra="forbid")
    assert (parsed.step, parsed.reward, parsed.size) == (10, "0.75", "2.0Ki")
    assert parsed.parent_ref is not None
    assert parsed.parent_ref.name == "older"
    assert parsed.conditions is not None
    assert (parsed.conditions[0].reason, parsed.conditions[0].observed_generation) == ("Committed", 3)


def test_names_of_measurements_are_those_that_every_release_reads() -> None:
    """A slash is no part of a name in the API, so a dot stands for it."""
    status = claimed_status(
        claim(metrics={"clip_ratio/low_mean": "0.25"}), job=NAME, job_uid=UID, parent=None, generation=1, now=NOW
    )
    assert status["metrics"] == {"clip_ratio.low_mean": "0.25"}
    CheckpointStatus.model_validate(status)


def test_metrics_of_a_hostile_row_are_dropped_not_fatal() -> None:
    """Names and numbers that the API would refuse, and more of them than it takes."""
    metrics = {"ok": "1.5", "bad name": "1", "nan": "nan", "long": "1" * 40, "line": "1\n"}
    metrics |= {f"m{number:03}": "0" for number in range(100)}
    status = claimed_status(claim(metrics=metrics), job=NAME, job_uid=UID, parent=None, generation=1, now=NOW)
    CheckpointStatus.model_validate(status)
    assert len(status["metrics"]) == 32
    assert set(status["metrics"]) <= {"ok", *metrics} - {"bad name", "nan", "long", "line"}
    assert "reward" not in status


def test_an_import_is_ready_with_the_files_of_its_spec() -> None:
    """The operator can't look into a tenant's bucket; the trainer checks digests."""
    made = checkpoint(claim(), ready=False)
    status = imported_status(made, NOW)
    assert (status["uri"], status["digest"]) == (made.spec.source.uri, made.spec.source.digest)
    assert status["conditions"][0]["reason"] == "Imported"


def test_all_of_an_object_is_what_is_written_down() -> None:
    """Labels with its attempt; status of a claim between steps, and of one in the middle of a step."""
    one = claim(5, updates=2, uri="s3://models/x/", attempt=3)
    body = checkpoint_body(one, job().spec.checkpoints.storage, namespace="team-a", job=NAME, job_uid=UID)
    assert body["metadata"]["labels"] == names.job_labels(NAME, UID, 3)
    status = claimed_status(one, job=NAME, job_uid=UID, parent=None, generation=3, now=NOW)
    assert status == {
        "conditions": [_ready("Committed", "All files are committed.", 3)],
        "uri": "s3://models/x/",
        "digest": one.digest,
        "step": 5,
        "updates": 2,
        "size": "2.0Ki",
        "metrics": {"reward_mean": "0.75"},
        "reward": "0.75",
        "trainingJobRef": {"name": NAME, "uid": UID},
    }
    plain = claimed_status(claim(5), job=NAME, job_uid=UID, parent=None, generation=3, now=NOW)
    assert not {"updates", "parentRef"} & plain.keys()


def _ready(reason: str, message: str, generation: int) -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": time_text(0),
        "observedGeneration": generation,
    }


def test_an_imports_status_says_who_checks_it() -> None:
    """Of the generation that was read."""
    made = checkpoint(claim(), ready=False)
    later = made.model_copy(update={"metadata": made.metadata.model_copy(update={"generation": 7})})
    message = "Imported as it is; a trainer that loads it checks the digest."
    assert imported_status(later, NOW)["conditions"] == [_ready("Imported", message, 7)]


def test_a_number_may_be_as_long_as_the_api_takes() -> None:
    """Thirty-two characters."""
    metrics = {"longest": "1" * 32, "longer": "1" * 33, "negative": "-1.5"}
    found = claimed_status(claim(metrics=metrics), job=NAME, job_uid=UID, parent=None, generation=1, now=NOW)
    assert set(found["metrics"]) == {"longest", "negative"}
