"""The Checkpoint kind: a committed set of files that a run can start from.

Place in the data's way: station 9. The operator makes one for every checkpoint that a run commits; a person may make
one for files that already lie in a bucket. No ownerReference: checkpoints outlive their job.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.conditions import Condition
from trainyard_api.fields import (
    API_VERSION,
    ApiModel,
    Count,
    Digest,
    Identifier,
    ObjectName,
    ObservedDecimal,
    Uid,
    Uri,
)
from trainyard_api.kind import KindNames, ObjectMeta, PrinterColumn
from trainyard_api.model_source import Storage
from trainyard_api.progress import ReportedEvaluation
from trainyard_api.rules import ListMap, Rule, immutable, stored_up_to
from trainyard_api.training_job_status import LocalReference


class CheckpointFiles(ApiModel):
    """Files that are already committed."""

    uri: Uri
    """Folder of the files, as s3://bucket/prefix/."""
    digest: Digest
    """Digest of the folder's manifest.json; whoever loads the files checks it."""


class CheckpointSpec(ApiModel):
    """Which files the Checkpoint stands for."""

    rules: ClassVar[tuple[Rule, ...]] = (
        immutable("source", kind="Checkpoint"),
        immutable("storage", kind="Checkpoint"),
    )

    source: CheckpointFiles
    """The committed files. Immutable."""
    storage: Storage
    """How to reach them. Immutable."""


class OwnerReference(ApiModel):
    """The TrainingJob that wrote the files."""

    name: ObjectName
    """Name of the TrainingJob."""
    uid: Uid
    """uid of the TrainingJob."""


class CheckpointStatus(ApiModel):
    """Observed state of a Checkpoint."""

    conditions: Annotated[list[Condition], stored_up_to(8), ListMap("type")] | None = None
    """Latest observations; Ready says whether it may be used."""
    uri: Uri | None = None
    """Folder of the files."""
    digest: Digest | None = None
    """Digest of the manifest."""
    step: Count | None = None
    """Finished steps of its run."""
    size: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9])?(Ki|Mi|Gi|Ti)?$", max_length=16)] | None = None
    """Bytes of its files, as 612Ki."""
    reward: ObservedDecimal | None = None
    """Mean reward of its step."""
    metrics: Annotated[dict[Identifier, ObservedDecimal], stored_up_to(32, "maxProperties")] | None = None
    """Measurements of its step."""
    updates: Count | None = None
    """Updates done of the step that it was taken in; absent where it was taken between steps."""
    evaluation: ReportedEvaluation | None = None
    """Success on the test questions, before and after the run that ended with it."""
    parent_ref: LocalReference | None = None
    """The Checkpoint that its run started from."""
    training_job_ref: OwnerReference | None = None
    """The TrainingJob that wrote it."""


class Checkpoint(ApiModel):
    """A committed state of a policy: weights, tokenizer, trainer state, manifest."""

    api_version: Literal["trainyard.dev/v1alpha1"] = API_VERSION  # type: ignore[assignment]
    """Version of the API."""
    kind: Literal["Checkpoint"] = "Checkpoint"
    """Checkpoint."""
    metadata: ObjectMeta
    """Standard metadata."""
    spec: CheckpointSpec
    """Which files it stands for."""
    status: CheckpointStatus | None = None
    """What is observed."""

    names: ClassVar[KindNames] = KindNames("Checkpoint", "checkpoints", "checkpoint", ("tckpt",))
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn("Job", ".status.trainingJobRef.name", "string", "TrainingJob that wrote it"),
        PrinterColumn("Step", ".status.step", "integer", "Finished steps"),
        PrinterColumn("Reward", ".status.reward", "string", "Mean reward of its step"),
        PrinterColumn("Size", ".status.size", "string", "Bytes of its files"),
        PrinterColumn("Ready", '.status.conditions[?(@.type=="Ready")].status', "string", "Whether it may be used"),
        PrinterColumn("Age", ".metadata.creationTimestamp", "date", "Time since creation"),
        PrinterColumn("URI", ".status.uri", "string", "Folder of the files", 1),
    )
