"""What a user asks for: the spec of a TrainingJob.

Place in the data's way: station 1. Every field has a description with its unit and default; the description becomes the
CRD's. A field that no code reads is absent. No I/O, no policy.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.algorithm import Algorithm, GRPOConfig, LossType, SFTConfig
from trainyard_api.fields import ApiModel, Identifier, Money, ObjectName, Quantity, SignedDecimal, Text
from trainyard_api.model_source import (
    CheckpointSource,
    ModelSource,
    S3Location,
    ScratchModel,
    SecretReference,
    Storage,
)
from trainyard_api.rules import ATOMIC, ListMap, Rule, immutable

__all__ = [
    "Algorithm",
    "Budget",
    "CheckpointPolicy",
    "CheckpointSource",
    "Database",
    "Evaluation",
    "GRPOConfig",
    "GpuRequest",
    "LossType",
    "ModelSource",
    "RewardTerm",
    "S3Location",
    "SFTConfig",
    "ScratchModel",
    "SecretReference",
    "Storage",
    "TaskSpec",
    "Toleration",
    "TrainerSpec",
    "TrainingJobSpec",
]

LabelKey = Annotated[
    str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", max_length=317)
]
"""A label or taint key."""
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
"""A label or taint value."""


class RewardTerm(ApiModel):
    """One reward function and its weight in the sum."""

    name: Identifier
    """Name of a reward: built in, or an entry point of the image in the group trainyard.rewards."""
    weight: SignedDecimal = "1.0"
    """Factor of this reward in the weighted sum; may be negative. Default: 1.0."""


class TaskSpec(ApiModel):
    """What the agent is asked to do, and how its answers are scored."""

    name: Identifier
    """Name of a task: built in, or an entry point of the image in the group trainyard.tasks."""
    rewards: Annotated[
        list[RewardTerm],
        Field(min_length=1, max_length=16),
        ListMap("name"),
    ]
    """Reward functions whose weighted sum is a trajectory's reward."""
    options: Annotated[dict[Identifier, Text], Field(max_length=32)] = {}
    """Free settings of the task, as strings; a task refuses options that it doesn't know."""


class Evaluation(ApiModel):
    """A measurement on held-out questions, before the first step and after the last."""

    questions: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Number of held-out questions, the same before and after. Default: 512."""
    temperature: Annotated[
        str,
        Field(pattern=r"^[0-9](\.[0-9]{1,4})?$", max_length=8),
        Rule("double(self) > 0.0", "must be greater than 0", lambda temperature: float(temperature) > 0),
    ] = "1.0"
    """Sampling temperature of the answers, greater than 0. Default: 1.0."""


class GpuRequest(ApiModel):
    """GPUs of one product, all on one node."""

    product: Annotated[str, Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", max_length=63)]
    """Value of the node label nvidia.com/gpu.product."""
    count: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of GPUs. Default: 1."""


class Toleration(ApiModel):
    """A taint that the trainer pod tolerates, as in a PodSpec."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.key) || self.operator == 'Exists'",
            "must be Exists where key is absent",
            lambda toleration: toleration.key is not None or toleration.operator == "Exists",
            field="operator",
        ),
        Rule(
            "!has(self.value) || self.operator == 'Equal'",
            "may be set only where operator is Equal",
            lambda toleration: toleration.value is None or toleration.operator == "Equal",
            field="value",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "may be set only where effect is NoExecute",
            lambda toleration: toleration.toleration_seconds is None or toleration.effect == "NoExecute",
            field="toleration_seconds",
        ),
    )

    key: LabelKey | None = None
    """Taint key. Default: every key, with operator Exists."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists or Equal. Default: Equal."""
    value: LabelValue | None = None
    """Taint value, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Taint effect. Default: every effect."""
    toleration_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """Seconds that a NoExecute taint is tolerated. Default: for ever."""


class TrainerSpec(ApiModel):
    """The trainer pod: its image, its resources, and where it may run."""

    image: Annotated[str, Field(pattern=r"^[^\s]+$", max_length=512)] | None = None
    """Image of the trainer. Default: the one that the operator was installed with."""
    gpus: GpuRequest | None = None
    """GPUs of the pod. Default: none."""
    cpu: Quantity = "1"
    """CPU request, in cores. Default: 1."""
    memory: Quantity = "4Gi"
    """Memory request and limit. Default: 4Gi."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] = {}
    """Node labels that the pod requires. Default: none."""
    tolerations: Annotated[list[Toleration], Field(max_length=16), ATOMIC] = []
    """Taints that the pod tolerates. Default: none."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pod. Default: the cluster's."""
    start_deadline_seconds: Annotated[int, Field(ge=5, le=86_400)] = 600
    """Seconds that a bound pod may wait for its image or its Secrets before the attempt ends. Default: 600."""


class Database(ApiModel):
    """The Postgres database that holds every trajectory."""

    secret_ref: SecretReference
    """Secret with the key dsn: the trainer's login to the operator's database."""


class Budget(ApiModel):
    """What the job may cost."""

    max_cost_usd: Annotated[
        Money,
        Rule("quantity(self).isGreaterThan(quantity('0'))", "must be greater than 0", lambda money: Decimal(money) > 0),
    ]
    """The most that this job may cost, in US dollars; greater than 0."""


class CheckpointPolicy(ApiModel):
    """When checkpoints are taken and where they go. The last step always ends with one."""

    every_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    """Steps between two checkpoints. Default: 10."""
    stop_grace_seconds: Annotated[int, Field(ge=5, le=3600)] = 120
    """Seconds that a stopped pod has to save a checkpoint (its terminationGracePeriodSeconds). Default: 120."""
    storage: Storage
    """Where the files go."""


class TrainingJobSpec(ApiModel):
    """A training run of one policy on one task."""

    rules: ClassVar[tuple[Rule, ...]] = (
        immutable("model"),
        immutable("algorithm"),
        immutable("task"),
        immutable("evaluation", optional=True),
        immutable("database"),
        immutable("checkpoints.storage"),
    )

    model: ModelSource
    """Where the first weights come from. Immutable."""
    algorithm: Algorithm
    """How the policy is trained. Immutable."""
    task: TaskSpec
    """What it is trained on. Immutable."""
    evaluation: Evaluation | None = None
    """Measurement on held-out questions before and after. Immutable. Default: none."""
    trainer: TrainerSpec = TrainerSpec()
    """The trainer pod. An edit counts from the next attempt. Default: one core, 4Gi, no GPU."""
    database: Database
    """Where trajectories go. Immutable."""
    budget: Budget
    """What the job may cost."""
    checkpoints: CheckpointPolicy
    """When checkpoints are taken and where they go; storage is immutable."""
