"""What a user asks for: the spec of a TrainingJob.

Place in the data's way: station 1. Every field has a description with its unit and default; the description becomes the
CRD's. A field that no code reads is absent. No I/O, no policy.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.algorithm import Algorithm, GRPOConfig, LossType, SFTConfig
from trainyard_api.fields import (
    CPU,
    AbsolutePath,
    ApiModel,
    Endpoint,
    Identifier,
    ImageReference,
    LabelKey,
    LabelValue,
    Memory,
    Money,
    ObjectName,
    Passage,
    Share,
    SignedDecimal,
    Text,
)
from trainyard_api.model_source import (
    CheckpointSource,
    ConfigMapKey,
    ModelSource,
    S3Location,
    ScratchModel,
    SecretReference,
    Storage,
)
from trainyard_api.rules import ATOMIC, ListMap, Rule, immutable

__all__ = [
    "Algorithm",
    "Baseline",
    "Budget",
    "CheckpointPolicy",
    "CheckpointSource",
    "ConfigMapKey",
    "Database",
    "EarlyStopping",
    "Evaluation",
    "FileSource",
    "GRPOConfig",
    "GpuRequest",
    "LossType",
    "ModelSource",
    "RewardTerm",
    "S3Location",
    "SFTConfig",
    "ScratchModel",
    "SecretReference",
    "SpecialTokens",
    "Storage",
    "TaskData",
    "TaskSpec",
    "Toleration",
    "Tracking",
    "TrainerSpec",
    "TrainingJobSpec",
    "Validation",
]


class FileSource(ApiModel):
    """Where one file lies: exactly one member."""

    one_of: ClassVar[tuple[str, ...]] = ("config_map", "s3", "path")

    config_map: ConfigMapKey | None = None
    """A key of a ConfigMap in this namespace."""
    s3: S3Location | None = None
    """A file in a bucket; the prefix is its whole key."""
    path: AbsolutePath | None = None
    """An absolute path in the trainer's container."""


class TaskData(ApiModel):
    """Questions as lines of JSON with the members query and expected_outcome."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.validation) == has(self.test)",
            "must be set exactly when validation is",
            lambda data: (data.validation is not None) == (data.test is not None),
            field="test",
        ),
    )

    train: FileSource
    """Questions to train on. Without sets of one's own for the others, a hash of the question keeps 10 % of them for
    validation and 10 % for the test."""
    validation: FileSource | None = None
    """Questions for validation. Default: 10 % of train."""
    test: FileSource | None = None
    """Questions for the measurement before and after. Default: 10 % of train."""


MAX_OPTIONS = 131_072
"""Most characters of all options of a task: a ConfigMap holds them, at six bytes for the longest of characters."""


class RewardTerm(ApiModel):
    """One reward function and its weight in the sum."""

    name: Identifier
    """Name of a reward: of the module, built in, or an entry point of the image in the group trainyard.rewards."""
    weight: SignedDecimal = "1.0"
    """Factor of this reward in the weighted sum; may be negative. Default: 1.0."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    """Seconds after which the reward of one trajectory counts as failed. Default: 30."""


class SpecialTokens(StrEnum):
    """How texts of a task that spell a special token of the tokenizer are read."""

    TEXT = "Text"
    TOKENS = "Tokens"


class TaskSpec(ApiModel):
    """What the agent is asked to do, and how its answers are scored."""

    name: Identifier
    """Name of a task: of the module, built in, or an entry point of the image in the group trainyard.tasks."""
    rewards: Annotated[
        list[RewardTerm],
        Field(min_length=1, max_length=16),
        ListMap("name"),
    ]
    """Reward functions whose weighted sum is a trajectory's reward."""
    options: Annotated[
        dict[Identifier, Passage],
        Field(max_length=32),
        Rule(
            f"self.map(name, self[name].size()).sum() <= {MAX_OPTIONS}",
            f"must have at most {MAX_OPTIONS} characters together",
            lambda options: sum(map(len, options.values())) <= MAX_OPTIONS,
        ),
    ] = {}
    """Free settings of the task, as strings, which may have several lines; a task refuses options that it doesn't
    know."""
    module: ConfigMapKey | None = None
    """A Python module with tasks and rewards of one's own, looked up before those of the image. Default: none."""
    data: TaskData | None = None
    """Questions from files. Default: the task asks its own."""
    special_tokens: SpecialTokens = SpecialTokens.TEXT
    """Whether special tokens of the model's tokenizer that stand in questions, options, tool results and other texts of
    the task (as <|im_end|>) are read as Text, or as Tokens, the control tokens that they spell. Default: Text."""


class EarlyStopping(ApiModel):
    """When training ends before its last step."""

    patience: Annotated[int, Field(ge=1, le=1000)] = 5
    """Validations in a row without an improvement after which training ends. Default: 5."""
    min_delta: Share = "0.0"
    """Rise of the success rate over the latest improvement from which on it is one too. Default: 0.0."""


class Validation(ApiModel):
    """A measurement on the validation questions while training goes on; the best state becomes a checkpoint."""

    every_steps: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    """Steps between two validations. Default: 10."""
    questions: Annotated[int, Field(ge=1, le=100_000)] = 128
    """Number of validation questions, the same each time. Default: 128."""
    early_stopping: EarlyStopping | None = None
    """When training ends early. Default: never."""


class Baseline(ApiModel):
    """What an evaluation is compared with."""

    checkpoint: ObjectName
    """Name of a Checkpoint in this namespace."""


class Evaluation(ApiModel):
    """A measurement on the test questions, before the first step and after the last; they are never trained on."""

    questions: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Number of test questions, the same before and after. Default: 512."""
    samples: Annotated[int, Field(ge=1, le=64)] = 1
    """Answers sampled for each question. Default: 1."""
    temperature: Annotated[
        str,
        Field(pattern=r"^[0-9](\.[0-9]{1,4})?$", max_length=8),
        Rule("double(self) >= 0.01", "must be at least 0.01", lambda temperature: float(temperature) >= 0.01),
    ] = "1.0"
    """Sampling temperature of the answers, from 0.01 to 9.9999. Default: 1.0."""
    validation: Validation | None = None
    """Measurements while training goes on; not where algorithm.type is Evaluation. Default: none."""
    baseline: Baseline | None = None
    """The Checkpoint that the model is compared with; required when algorithm.type is Evaluation, else absent."""


class WandbTracking(ApiModel):
    """A run of Weights & Biases."""

    project: Identifier
    """Name of the project."""
    entity: Identifier | None = None
    """User or team. Default: that of the key."""
    endpoint: Endpoint | None = None
    """URL of the server. Default: the public one."""
    secret_ref: SecretReference
    """Secret with the key WANDB_API_KEY."""


class MlflowTracking(ApiModel):
    """A run of MLflow."""

    endpoint: Endpoint
    """URL of the tracking server."""
    experiment: Identifier
    """Name of the experiment; made where it doesn't exist."""
    secret_ref: SecretReference | None = None
    """Secret with the key MLFLOW_TRACKING_TOKEN. Default: none."""


class Tracking(ApiModel):
    """Experiment trackers that get every step's measurements; the image must carry their packages."""

    wandb: WandbTracking | None = None
    """Weights & Biases. Default: none."""
    mlflow: MlflowTracking | None = None
    """MLflow. Default: none."""


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
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            "must be Exists where key is absent",
            lambda toleration: toleration.key is not None or toleration.operator == "Exists",
            field="operator",
        ),
        Rule(
            "!has(self.value) || !has(self.operator) || self.operator == 'Equal'",
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

    image: ImageReference | None = None
    """Image of the trainer. Default: the one that the operator was installed with."""
    gpus: GpuRequest | None = None
    """GPUs of the pod. Default: none."""
    cpu: CPU = "1"
    """CPU request, in cores, at least 10m. Default: 1."""
    memory: Memory = "4Gi"
    """Memory request and limit, in whole bytes, at least 64Mi. Default: 4Gi."""
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
        Rule(
            "(has(self.evaluation) && has(self.evaluation.baseline)) == (self.algorithm.type == 'Evaluation')",
            "must be set exactly when algorithm.type is Evaluation",
            lambda spec: (
                (spec.evaluation is not None and spec.evaluation.baseline is not None)
                == (spec.algorithm.type == "Evaluation")
            ),
            field="evaluation.baseline",
        ),
        Rule(
            "!has(self.evaluation) || !has(self.evaluation.validation) || self.algorithm.type != 'Evaluation'",
            "may not be set where algorithm.type is Evaluation, which measures once",
            lambda spec: (
                spec.evaluation is None or spec.evaluation.validation is None or spec.algorithm.type != "Evaluation"
            ),
            field="evaluation.validation",
        ),
    )

    model: ModelSource
    """Where the first weights come from. Immutable."""
    algorithm: Algorithm
    """How the policy is trained. Immutable."""
    task: TaskSpec
    """What it is trained on. Immutable."""
    evaluation: Evaluation | None = None
    """Measurement on questions that are never trained on. Immutable. Default: none."""
    trainer: TrainerSpec = TrainerSpec()
    """The trainer pod. An edit counts from the next attempt. Default: one core, 4Gi, no GPU."""
    database: Database
    """Where trajectories go. Immutable."""
    budget: Budget
    """What the job may cost."""
    checkpoints: CheckpointPolicy
    """When checkpoints are taken and where they go; storage is immutable."""
    tracking: Tracking | None = None
    """Experiment trackers. An edit counts from the next attempt. Default: none."""
    tags: Annotated[dict[Identifier, Text], Field(max_length=32)] = {}
    """Words about the run, as the commit of its code or the version of its data; they go with it to the ledger, the
    checkpoints and the trackers. An edit counts from the next attempt. Default: none."""
