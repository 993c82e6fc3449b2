"""What a user asks for: the spec of a TrainingJob.

Place in the data's way: station 1. Every field has a description with its unit and default; the description becomes the
CRD's. A field that no code reads is absent. No I/O, no policy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from trainyard_api.fields import (
    ApiModel,
    Bucket,
    Endpoint,
    Identifier,
    JobName,
    KeyPrefix,
    LearningRate,
    Money,
    ObjectName,
    Quantity,
    SignedDecimal,
    Text,
    cel,
    immutable,
    rule,
)


class SecretReference(ApiModel):
    """A Secret of the same namespace."""

    name: ObjectName
    """Name of the Secret."""


class S3Location(ApiModel):
    """A folder in a bucket of an S3 server."""

    bucket: Bucket
    """Name of the bucket; it must exist."""
    prefix: KeyPrefix = ""
    """Key prefix inside the bucket, without leading or trailing slash. Default: the bucket's root."""
    endpoint: Endpoint | None = None
    """URL of the S3 server. Default: AWS's own endpoint for the region."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = "us-east-1"
    """Region that requests are signed for. Default: us-east-1."""
    secret_ref: SecretReference
    """Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""


class Storage(ApiModel):
    """Where checkpoints are written."""

    s3: S3Location
    """A bucket; checkpoints lie under prefix/namespace/job/uid/."""


class ScratchModel(ApiModel):
    """A randomly initialised causal language model whose vocabulary is the task's alphabet."""

    architecture: Literal["Qwen3"] = "Qwen3"
    """Model class of the transformers library. Default: Qwen3."""
    hidden_size: Annotated[int, Field(ge=8, le=16384)] = 64
    """Width of the residual stream. Default: 64."""
    layers: Annotated[int, Field(ge=1, le=256)] = 2
    """Number of decoder layers. Default: 2."""
    attention_heads: Annotated[int, Field(ge=1, le=256)] = 4
    """Number of query heads. Default: 4."""
    key_value_heads: Annotated[int, Field(ge=1, le=256)] = 2
    """Number of key and value heads; attentionHeads must be a multiple of it. Default: 2."""
    head_dim: Annotated[int, Field(ge=2, le=1024)] = 16
    """Width of one head; even. Default: 16."""
    intermediate_size: Annotated[int, Field(ge=8, le=65536)] = 128
    """Width of the feed-forward layers. Default: 128."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            rule(
                "self.attentionHeads % self.keyValueHeads == 0",
                "must be divisible by keyValueHeads",
                field_path=".attentionHeads",
            ),
            rule("self.headDim % 2 == 0", "must be even", field_path=".headDim"),
        )
    )


class CheckpointSource(ApiModel):
    """A checkpoint to start from: another job's, or one named Checkpoint."""

    one_of: ClassVar[tuple[str, ...]] = ("training_job", "name")

    training_job: JobName | None = None
    """Name of a TrainingJob in this namespace; its checkpoint is taken once that job has ended."""
    select: Literal["Latest"] | None = None
    """Which checkpoint of trainingJob to take: Latest, the one with the highest step. Default: Latest."""
    name: ObjectName | None = None
    """Name of a Checkpoint in this namespace; taken once it is Ready."""


class ModelSource(ApiModel):
    """Where the policy's first weights come from: exactly one member."""

    one_of: ClassVar[tuple[str, ...]] = ("checkpoint", "s3", "path", "scratch")

    checkpoint: CheckpointSource | None = None
    """A Checkpoint object; resolved once and pinned in status.modelRef."""
    s3: S3Location | None = None
    """A folder saved by transformers' save_pretrained (safetensors, config, tokenizer) in a bucket."""
    path: Annotated[str, Field(pattern=r"^/[^\s]*$", max_length=512)] | None = None
    """An absolute folder in the trainer's container, in the form that save_pretrained writes."""
    scratch: ScratchModel | None = None
    """Random weights, seeded by algorithm.seed."""


class LossType(StrEnum):
    """How token losses are put together, by the names that GRPO papers and TRL use."""

    DAPO = "DAPO"
    GRPO = "GRPO"


class GRPOConfig(ApiModel):
    """Group relative policy optimisation (DeepSeekMath, arXiv 2402.03300)."""

    loss: LossType = LossType.DAPO
    """Denominator of the loss: DAPO divides by all policy tokens of the update (arXiv 2503.14476), GRPO averages each
    trajectory's tokens first. Default: DAPO."""
    steps: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of rollout batches, each followed by an update of the policy."""
    prompts_per_step: Annotated[int, Field(ge=1, le=4096)] = 16
    """Prompts drawn for one step. Default: 16."""
    group_size: Annotated[int, Field(ge=2, le=1024)] = 8
    """Trajectories sampled for each prompt; rewards are normalised among them. Default: 8."""
    learning_rate: LearningRate = "1e-6"
    """AdamW's learning rate, constant. Default: 1e-6."""
    max_turns: Annotated[int, Field(ge=1, le=100)] = 20
    """Turns of the policy after which a trajectory is cut off. Default: 20."""


class SFTConfig(ApiModel):
    """Supervised fine-tuning on the task's demonstrations; the loss counts the policy's own tokens only."""

    steps: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of optimizer updates."""
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Demonstrations in one update. Default: 64."""
    learning_rate: LearningRate = "1e-5"
    """AdamW's learning rate, constant. Default: 1e-5."""


class Algorithm(ApiModel):
    """How the policy is trained."""

    type: Literal["GRPO", "SFT"]
    """GRPO or SFT; the member of the same name, in lower case, holds its settings."""
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Seed of every random draw of the run. Default: 0."""
    grpo: GRPOConfig | None = None
    """Settings of GRPO; required when type is GRPO, else absent."""
    sft: SFTConfig | None = None
    """Settings of SFT; required when type is SFT, else absent."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            rule(
                "has(self.grpo) == (self.type == 'GRPO')", "must be set exactly when type is GRPO", field_path=".grpo"
            ),
            rule("has(self.sft) == (self.type == 'SFT')", "must be set exactly when type is SFT", field_path=".sft"),
        )
    )


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
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
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
        Field(
            pattern=r"^[0-9](\.[0-9]{1,4})?$",
            max_length=8,
            json_schema_extra=cel(rule("double(self) > 0.0", "must be greater than 0")),
        ),
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

    key: Annotated[str, Field(max_length=317)] | None = None
    """Taint key. Default: every key, with operator Exists."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists or Equal. Default: Equal."""
    value: Annotated[str, Field(max_length=63)] | None = None
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
    node_selector: Annotated[
        dict[Annotated[str, Field(max_length=317)], Annotated[str, Field(max_length=63)]], Field(max_length=16)
    ] = {}
    """Node labels that the pod requires. Default: none."""
    tolerations: Annotated[
        list[Toleration], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = []
    """Taints that the pod tolerates. Default: none."""
    priority_class_name: Annotated[str, Field(max_length=253)] | None = None
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
        Field(json_schema_extra=cel(rule("quantity(self).isGreaterThan(quantity('0'))", "must be greater than 0"))),
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

    model_config = ConfigDict(
        json_schema_extra=cel(
            immutable("model"),
            immutable("algorithm"),
            immutable("task"),
            immutable("evaluation", optional=True),
            immutable("database"),
            rule(
                "self.checkpoints.storage == oldSelf.checkpoints.storage",
                "checkpoints.storage is immutable; apply a TrainingJob of another name instead",
                field_path=".checkpoints.storage",
            ),
        )
    )
