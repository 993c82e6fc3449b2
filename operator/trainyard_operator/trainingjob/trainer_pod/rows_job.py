"""The short Job that writes the rows which a checkpoint carries: the trainer's image, no GPU, a quarter of a GiB.

Place in the data's way: station 3. A pure builder, on that of an attempt's Job.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from trainyard_api import names
from trainyard_api.model_source import ModelSource
from trainyard_api.termination import ExitCode
from trainyard_api.training_job import TrainingJob
from trainyard_operator.trainingjob.trainer_pod.child_job import Rendering, child_job_body

TRIES: Final = 4
_DEADLINE_SECONDS: Final = 1800
_KEPT_SECONDS: Final = 3600


def writer_of(job: TrainingJob) -> TrainingJob:
    """Leaves of a TrainingJob what the rows need: where they lie, and where they go."""
    spec = job.spec
    # A namespace may demand a limit, or bound its ratio to the request.
    limit = None if spec.trainer.cpu_limit is None else "100m"
    trainer = spec.trainer.model_copy(
        update={"gpus": None, "cpu": "100m", "cpu_limit": limit, "memory": "256Mi", "shared_memory": None}
    )
    reduced = spec.model_copy(
        update={
            "model": ModelSource.model_validate({"scratch": {}}),
            "task": spec.task.model_copy(update={"module": None, "data": None}),
            "evaluation": None,
            "tracking": None,
            "trainer": trainer,
        }
    )
    return job.model_copy(update={"spec": reduced})


def rows_job_body(job: TrainingJob, rendering: Rendering, uri: str) -> dict[str, Any]:
    """Builds the batch/v1 Job; `job` is what `writer_of` has left of the TrainingJob."""
    defaults = replace(rendering.defaults, shared_memory="")
    body = child_job_body(job, replace(rendering, defaults=defaults))
    body["metadata"]["name"] = names.rows_job(job.metadata.name, rendering.attempt)
    for metadata in (body["metadata"], body["spec"]["template"]["metadata"]):
        metadata["labels"] = metadata["labels"] | {names.ROLE_LABEL: names.ROWS_ROLE}
    never = {"containerName": names.TRAINER_CONTAINER, "operator": "In", "values": [int(ExitCode.REFUSED)]}
    body["spec"] |= {
        "backoffLimit": TRIES - 1,
        "activeDeadlineSeconds": _DEADLINE_SECONDS,
        "ttlSecondsAfterFinished": _KEPT_SECONDS,
        "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": never}]},
    }
    pod = body["spec"]["template"]["spec"]
    pod["automountServiceAccountToken"] = False
    pod["containers"][0]["args"] = ["write-rows", uri]
    return body
