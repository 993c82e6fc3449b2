"""Claims about the short Job that writes carried rows."""

from __future__ import annotations

from typing import Any

from tests.trainyard_operator.builders import job
from trainyard_api import names
from trainyard_operator.trainingjob.trainer_pod.child_job import Rendering, child_job_body
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults
from trainyard_operator.trainingjob.trainer_pod.rows_job import rows_job_body, writer_of

RENDERING = Rendering(2, PodDefaults("default:1", "IfNotPresent", shared_memory="64Mi"), "sums-2-abc", "{}")
URI = "s3://models/x/"
LARGE: dict[str, Any] = {
    "model": {"s3": {"bucket": "models", "secretRef": {"name": "theirs"}}},
    "task": {"name": "Mine", "module": {"name": "my-task", "key": "task.py"}, "rewards": [{"name": "exact"}]},
    "trainer": {
        "gpus": {"product": "NVIDIA-L4", "count": 8},
        "cpu": "32",
        "cpuLimit": "64",
        "memory": "256Gi",
        "sharedMemory": "64Gi",
        "nodeSelector": {"zone": "a"},
    },
    "tracking": {"wandb": {"project": "p", "secretRef": {"name": "wandb"}}},
}


def test_it_needs_no_more_than_the_rows_do() -> None:
    """No GPU, no model, no task of the user's, a quarter of a GiB; where it runs stays the user's choice."""
    reduced = writer_of(job(**LARGE))
    trainer = reduced.spec.trainer
    assert (trainer.gpus, trainer.cpu, trainer.memory, trainer.shared_memory) == (None, "100m", "256Mi", None)
    assert (trainer.cpu_limit, writer_of(job()).spec.trainer.cpu_limit) == ("100m", None)
    assert trainer.node_selector == {"zone": "a"}
    assert reduced.spec.model.scratch is not None
    assert (reduced.spec.task.module, reduced.spec.task.data) == (None, None)
    assert (reduced.spec.evaluation, reduced.spec.tracking) == (None, None)
    assert reduced.spec.checkpoints == job(**LARGE).spec.checkpoints
    assert reduced.metadata == job(**LARGE).metadata


def test_it_tries_a_few_times_within_half_an_hour_and_is_kept_for_its_log() -> None:
    """A refusal ends it at once; it has no rights on the API server; all else is an attempt's Job."""
    reduced = writer_of(job(**LARGE))
    body = rows_job_body(reduced, RENDERING, URI)
    plain = child_job_body(reduced, Rendering(2, PodDefaults("default:1", "IfNotPresent"), "sums-2-abc", "{}"))
    role = {names.ROLE_LABEL: names.ROWS_ROLE}
    assert body["metadata"] == plain["metadata"] | {
        "name": names.rows_job("sums", 2),
        "labels": plain["metadata"]["labels"] | role,
    }
    template = body["spec"].pop("template")
    assert body["spec"] == {
        "parallelism": 1,
        "completions": 1,
        "backoffLimit": 3,
        "podReplacementPolicy": "Failed",
        "activeDeadlineSeconds": 1800,
        "ttlSecondsAfterFinished": 3600,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": "trainer", "operator": "In", "values": [20]},
                }
            ]
        },
    }
    expected = plain["spec"]["template"]
    assert template["metadata"] == expected["metadata"] | {"labels": expected["metadata"]["labels"] | role}
    (container,) = template["spec"]["containers"]
    assert container == expected["spec"]["containers"][0] | {"args": ["write-rows", URI]}
    rest = expected["spec"] | {"automountServiceAccountToken": False, "containers": [container]}
    assert template["spec"] == rest


def test_what_it_is_made_from_stays_as_it_is() -> None:
    """The rendering is an attempt's too."""
    rows_job_body(writer_of(job()), RENDERING, URI)
    assert RENDERING.defaults.shared_memory == "64Mi"
