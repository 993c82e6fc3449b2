"""The TrainingJob kind: spec and status together, and how kubectl shows it.

Place in the data's way: stations 1 and 11. The schema generator reads this module; nothing here does I/O.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from trainyard_api.fields import API_VERSION, ApiModel
from trainyard_api.kind import KindNames, ObjectMeta, PrinterColumn
from trainyard_api.rules import Rule
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_api.training_job_status import TrainingJobStatus


class TrainingJob(ApiModel):
    """A reinforcement-learning run of a language-model agent, with its budget."""

    api_version: Literal["trainyard.dev/v1alpha1"] = API_VERSION  # type: ignore[assignment]
    """Version of the API."""
    kind: Literal["TrainingJob"] = "TrainingJob"
    """TrainingJob."""
    metadata: ObjectMeta
    """Standard metadata; the name has at most 40 characters and no dots, for other names are derived from it."""
    spec: TrainingJobSpec
    """What is asked for."""
    status: TrainingJobStatus | None = None
    """What is observed."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.metadata.name.size() <= 40 && !self.metadata.name.contains('.')",
            "must have at most 40 characters and no dots, for other names are derived from it",
            lambda job: len(job.metadata.name) <= 40 and "." not in job.metadata.name,
            field="metadata.name",
        ),
    )
    names: ClassVar[KindNames] = KindNames("TrainingJob", "trainingjobs", "trainingjob", ("tj",))
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Status", '.status.conditions[?(@.type=="Succeeded")].reason', "string", "What the job is doing"),
        PrinterColumn("Step", ".status.progress.steps", "string", "Finished steps of all steps"),
        PrinterColumn("Progress", ".status.progress.percent", "integer", "Finished share, in percent"),
        PrinterColumn("Reward", ".status.progress.reward", "string", "Mean reward of the latest step"),
        PrinterColumn("Cost", ".status.cost.spentUSD", "string", "US dollars spent"),
        PrinterColumn("Budget", ".status.budget.limitUSD", "string", "US dollars that may be spent"),
        PrinterColumn("Age", ".metadata.creationTimestamp", "date", "Time since creation"),
        PrinterColumn("Rate", ".status.cost.ratePerHourUSD", "string", "US dollars per hour now", 1),
        PrinterColumn("GPUs", ".spec.trainer.gpus.count", "integer", "GPUs of the trainer pod", 1),
        PrinterColumn("Checkpoint", ".status.latestCheckpointRef.name", "string", "Newest Checkpoint", 1),
        PrinterColumn(
            "ETA", ".status.progress.estimatedRemainingSeconds", "integer", "Seconds to the end at the latest speed", 1
        ),
    )


def parse_training_job(body: dict[str, Any]) -> TrainingJob:
    """Reads a TrainingJob from the API server; unknown fields are ignored, so that a newer CRD stops no older operator.

    Raises:
        pydantic.ValidationError: the object breaks the schema.
    """
    return TrainingJob.model_validate(body)
