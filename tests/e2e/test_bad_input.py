"""Bad input ends with the exact reason, the field's path and the value, and no further pod appears."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hack.images import derive
from hack.kubectl import Kubectl, condition
from tests.e2e.manifests import NAMESPACE, Manifest, example, short_sft
from tests.e2e.waiting import JOB, apply, ended, job, pods
from tests.waiting import WITHIN_GUARD

pytestmark = pytest.mark.e2e

QUIET_LOOKS = 10
"""Looks for further pods, three seconds apart."""
STORAGE = "spec__checkpoints__storage__s3"


@dataclass(frozen=True)
class Case:
    """A manifest that can't work: the reason of Stalled, and what its message must name."""

    manifest: Manifest
    reason: str
    field_path: str
    value: str


def _small_grpo(name: str, **changes: Any) -> Manifest:
    small = {
        "spec__model": {"scratch": {}},
        "spec__algorithm__grpo__steps": 3,
        "spec__algorithm__grpo__promptsPerStep": 2,
        "spec__algorithm__grpo__groupSize": 2,
        "spec__evaluation": None,
    }
    return example("calculator-grpo", metadata__name=name, **(small | changes))


def _cases(reward_image: str) -> dict[str, Case]:
    rewards = "spec__task__rewards"
    image = {"spec__trainer__image": reward_image}
    return {
        "task": Case(short_sft("bad-task", spec__task__name="chess"), "UnknownTask", "spec.task.name", "chess"),
        "reward": Case(
            short_sft("bad-reward", **{rewards: [{"name": "beauty"}]}),
            *("UnknownReward", "spec.task.rewards[0].name", "beauty"),
        ),
        "option": Case(
            short_sft("bad-option", spec__task__options={"colour": "red"}),
            *("UnknownOption", "spec.task.options.colour", "red"),
        ),
        "path": Case(
            short_sft("bad-path", spec__model={"path": "/models/absent"}),
            *("ModelNotFound", "spec.model.path", "/models/absent"),
        ),
        "bucket": Case(
            short_sft("bad-bucket", **{f"{STORAGE}__bucket": "no-such-bucket"}),
            *("StorageUnavailable", "spec.checkpoints.storage.s3.bucket", "no-such-bucket"),
        ),
        "secret": Case(
            short_sft(
                "bad-secret", **{f"{STORAGE}__secretRef__name": "absent", "spec__trainer__startDeadlineSeconds": 60}
            ),
            *("SecretUnavailable", "spec.checkpoints.storage.s3.secretRef.name", "absent"),
        ),
        "password": Case(
            short_sft("bad-password", spec__database__secretRef__name="wrong-password"),
            *("DatabaseRefused", "spec.database.secretRef.name", "wrong-password"),
        ),
        "image": Case(
            short_sft("bad-image", spec__trainer__image="127.0.0.1:1/absent:1", spec__trainer__startDeadlineSeconds=60),
            *("ImageUnavailable", "spec.trainer.image", "127.0.0.1:1/absent:1"),
        ),
        "raises": Case(
            _small_grpo("bad-raises", **{rewards: [{"name": "raises"}]}, **image),
            *("RewardFailed", "spec.task.rewards[0].name", "raises"),
        ),
        "nan": Case(
            _small_grpo("bad-nan", **{rewards: [{"name": "nan"}]}, **image),
            *("RewardFailed", "spec.task.rewards[0].name", "nan"),
        ),
        "checkpoint": Case(
            example(
                "calculator-grpo",
                metadata__name="bad-checkpoint",
                spec__model={"checkpoint": {"trainingJob": "bad-path"}},
            ),
            *("CheckpointUnavailable", "spec.model.checkpoint.trainingJob", "bad-path"),
        ),
    }


KEYS = tuple(_cases(""))

# Jobs that are held back instead of ended: what is in their way may still resolve.
UNPRICED = short_sft("bad-price", spec__trainer__gpus={"product": "NVIDIA-Imaginary", "count": 1})
TAKEN = short_sft("taken")
HELD = (UNPRICED, TAKEN)
STRANGER = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "taken-1", "namespace": NAMESPACE},
    "spec": {
        "suspend": True,
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "none:1"}]}},
    },
}


@pytest.fixture(scope="module")
def applied(clean: Kubectl) -> Iterator[dict[str, Case]]:
    """All cases, applied together: their waits pass side by side."""
    reward_image = derive("trainer", Path(__file__).parent / "reward_image", "trainer-with-rewards")
    cases = _cases(reward_image)
    secret = clean.json("get", "secret", "trainyard-db", "-n", NAMESPACE)
    wrong = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "wrong-password", "namespace": NAMESPACE},
        "stringData": {"dsn": "postgresql://team_a_trainer:not-this-one@postgres.trainyard-services.svc/trainyard"},
    }
    assert secret["data"]["dsn"]
    apply(clean, wrong, STRANGER, *(case.manifest for case in cases.values()), *HELD)
    yield cases
    clean("delete", "secret/wrong-password", "job/taken-1", "-n", NAMESPACE)


@pytest.fixture(scope="module")
def results(clean: Kubectl, applied: dict[str, Case]) -> dict[str, dict[str, Any]]:
    """Every case's job, ended, and its pods counted at the end and again when the quiet time is over."""
    names = {key: case.manifest["metadata"]["name"] for key, case in applied.items()}
    jobs = {key: ended(clean, name) for key, name in names.items()}
    names |= {manifest["metadata"]["name"]: manifest["metadata"]["name"] for manifest in HELD}
    jobs |= {name: job(clean, name) for name in names if name not in jobs}
    first = _pods_by_job(clean, names)
    more: dict[str, set[str]] = {key: set() for key in names}
    for _ in range(QUIET_LOOKS):
        for key, found in _pods_by_job(clean, names).items():
            more[key] |= found - first[key]
        time.sleep(3)
    return {key: {"job": jobs[key], "further": more[key]} for key in names}


def _pods_by_job(kubectl: Kubectl, names: dict[str, str]) -> dict[str, set[str]]:
    """The uids of each case's pods."""
    found = [(pod["metadata"]["labels"][JOB], pod["metadata"]["uid"]) for pod in pods(kubectl, *names.values())]
    return {key: {uid for owner, uid in found if owner == name} for key, name in names.items()}


@pytest.mark.parametrize("key", KEYS)
def test_bad_input_ends_with_reason_field_and_value(
    key: str, applied: dict[str, Case], results: dict[str, dict[str, Any]]
) -> None:
    """The job is Failed; Stalled carries the reason and names field and value; no pod follows for 30 s."""
    case, result = applied[key], results[key]
    succeeded, stalled = condition(result["job"], "Succeeded"), condition(result["job"], "Stalled")
    assert (succeeded["status"], succeeded["reason"]) == ("False", "Failed")
    assert (stalled["status"], stalled["reason"]) == ("True", case.reason), stalled
    assert case.field_path in stalled["message"]
    assert case.value in stalled["message"]
    assert result["further"] == set()


def test_reward_that_raises_names_the_users_line(results: dict[str, dict[str, Any]]) -> None:
    """The message of a reward that raises holds the exception and the user's file and line."""
    message = condition(results["raises"]["job"], "Stalled")["message"]
    assert "ValueError" in message
    assert "faulty_rewards.py:" in message


def test_wrong_password_is_not_repeated_anywhere(clean: Kubectl, results: dict[str, dict[str, Any]]) -> None:
    """Neither status, events nor logs repeat a DSN."""
    assert results["password"]
    said = clean("get", "events,trainingjobs.trainyard.dev", "-n", NAMESPACE, "-o", "yaml")
    said += clean("logs", "-n", NAMESPACE, "-l", "trainyard.dev/training-job=bad-password", "--tail=-1")
    assert "team_a_trainer:" not in said


def test_unknown_price_refuses_the_start(clean: Kubectl, results: dict[str, dict[str, Any]]) -> None:
    """No price for the GPU: CostKnown is False with field and value, and no pod ever appears."""
    seen = condition(results["bad-price"]["job"], "CostKnown")
    assert (seen["status"], seen["reason"]) == ("False", "NoPrice")
    assert "spec.trainer.gpus.product" in seen["message"]
    assert "NVIDIA-Imaginary" in seen["message"]
    assert pods(clean, "bad-price") == []
    assert results["bad-price"]["further"] == set()
    assert condition(job(clean, "bad-price"), "Succeeded")["reason"] == "Queued"


def test_a_strangers_job_is_left_alone(clean: Kubectl, results: dict[str, dict[str, Any]]) -> None:
    """A child name taken by somebody else's Job: Degraded with NameConflict, and that Job stays as it was."""
    before = clean.json("get", "job", "taken-1", "-n", NAMESPACE)
    assert "ownerReferences" not in before["metadata"]
    assert before["metadata"]["generation"] == 1
    seen = condition(results["taken"]["job"], "Degraded")
    assert (seen["status"], seen["reason"]) == ("True", "NameConflict")
    assert "metadata.name" in seen["message"]
    assert "taken-1" in seen["message"]
    assert pods(clean, "taken") == []
    clean("delete", "trainingjobs.trainyard.dev", "taken", "-n", NAMESPACE, WITHIN_GUARD)
    after = clean.json("get", "job", "taken-1", "-n", NAMESPACE)
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])


def test_an_edit_of_an_immutable_field_is_refused(clean: Kubectl, results: dict[str, dict[str, Any]]) -> None:
    """The API server refuses it and names the field; the object stays as it was."""
    name = results["task"]["job"]["metadata"]["name"]
    patch = '{"spec": {"algorithm": {"seed": 7}}}'
    status, _, said = clean.try_(
        "patch", "trainingjobs.trainyard.dev", name, "-n", NAMESPACE, "--type=merge", "-p", patch
    )
    assert status != 0
    assert "spec.algorithm" in said
    assert "immutable" in said
    assert job(clean, name)["spec"]["algorithm"]["seed"] == 0
