"""What a trainer reads at its start: the manifest's training part with every reference resolved, and no secret.

Place in the data's way: from station 2 to station 4, as an immutable ConfigMap. A trainer refuses a run config with a
field or a version that it doesn't understand, for what it doesn't understand it would silently not do.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from trainyard_api.algorithm import Algorithm
from trainyard_api.evaluation import Evaluation
from trainyard_api.fields import ApiModel, Digest, JobName, ObjectName, Uid, Uri
from trainyard_api.model_source import HubModel, S3Location, ScratchModel
from trainyard_api.task import TaskSpec
from trainyard_api.tracking import Tracking

RUN_CONFIG_VERSION = 1


class Folder(ApiModel):
    """A folder of this machine, laid out like a bucket."""

    directory: Annotated[str, Field(min_length=1)]
    """Absolute path."""


class RunStorage(ApiModel):
    """Where checkpoints are written: exactly one member."""

    one_of: ClassVar[tuple[str, ...]] = ("s3", "folder")

    s3: S3Location | None = None
    """A bucket."""
    folder: Folder | None = None
    """A local folder (runs without a cluster)."""


class PinnedCheckpoint(ApiModel):
    """A checkpoint with its digest and the way to its files."""

    name: str | None = None
    """Name of the Checkpoint object, where there is one."""
    uri: Uri
    """Folder of its files."""
    digest: Digest
    """Digest of its manifest; the trainer refuses other files."""
    storage: RunStorage
    """How to reach them."""


class RunModel(ApiModel):
    """Where the first weights come from: exactly one member."""

    one_of: ClassVar[tuple[str, ...]] = ("checkpoint", "s3", "path", "hugging_face", "scratch")

    checkpoint: PinnedCheckpoint | None = None
    """A checkpoint, pinned."""
    s3: S3Location | None = None
    """A folder in a bucket."""
    path: str | None = None
    """A folder in the container."""
    hugging_face: HubModel | None = None
    """A repository of the Hugging Face Hub."""
    scratch: ScratchModel | None = None
    """Random weights."""


class RunIdentity(ApiModel):
    """Which run and attempt this is."""

    namespace: Annotated[str, Field(min_length=1, max_length=63)]
    """Namespace of the TrainingJob."""
    name: JobName
    """Name of the TrainingJob."""
    uid: Uid
    """uid of the TrainingJob: the run."""
    attempt: Annotated[int, Field(ge=1)]
    """Number of this attempt, from 1."""
    began_on: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")] | None = None
    """Day on which the run began, in UTC; what a chat template writes as the date. Default: the day of the start."""


class RunCheckpoints(ApiModel):
    """When checkpoints are taken and where they go."""

    every_steps: Annotated[int, Field(ge=1)]
    """Steps between two checkpoints."""
    stop_grace_seconds: Annotated[int, Field(ge=1)] = 120
    """Seconds from a request to stop until the process is killed. Default: 120."""
    storage: RunStorage
    """Where they go."""


class RunConfig(ApiModel):
    """Everything a trainer needs to know, besides secrets and its own pod's identity (environment variables)."""

    version: Literal[1]
    """Version of this format."""
    run: RunIdentity
    """Which run this is."""
    model: RunModel
    """Where the first weights come from."""
    algorithm: Algorithm
    """How the policy is trained."""
    task: TaskSpec
    """What it is trained on."""
    evaluation: Evaluation | None = None
    """Measurement before and after."""
    baseline: PinnedCheckpoint | None = None
    """What the evaluation is compared with, pinned, where nothing is trained."""
    checkpoints: RunCheckpoints
    """When checkpoints are taken and where they go."""
    memory_limit_bytes: Annotated[int, Field(ge=1)] | None = None
    """Memory that the pod may use. Default: the machine's."""
    tracking: Tracking | None = None
    """Experiment trackers."""
    tags: dict[str, str] = {}
    """Words about the run."""
    database_secret: ObjectName | None = None
    """Name of the Secret that holds the database login; error messages name it."""

    model_config = ConfigDict(protected_namespaces=())
