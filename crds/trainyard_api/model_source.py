"""Where files come from and go to: buckets, and the policy's first weights.

Place in the data's way: station 1, the parts of a manifest that name files. No I/O, no policy.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainyard_api.fields import AbsolutePath, ApiModel, Bucket, Endpoint, FileName, JobName, KeyPrefix, ObjectName
from trainyard_api.rules import Rule


class SecretReference(ApiModel):
    """A Secret of the same namespace."""

    name: ObjectName
    """Name of the Secret."""


class ConfigMapKey(ApiModel):
    """One file of a ConfigMap of the same namespace."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: FileName
    """Key of the file."""


class S3Location(ApiModel):
    """A folder in a bucket of an S3 server."""

    bucket: Bucket
    """Name of the bucket; it must exist."""
    prefix: KeyPrefix = ""
    """Key prefix inside the bucket, without leading or trailing slash. Default: the bucket's root."""
    endpoint: Endpoint | None = None
    """URL of the S3 server. Default: AWS's own endpoint for the region."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=32)] = "us-east-1"
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

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.attentionHeads % self.keyValueHeads == 0",
            "must be divisible by keyValueHeads",
            lambda model: model.attention_heads % model.key_value_heads == 0,
            field="attention_heads",
        ),
        Rule("self.headDim % 2 == 0", "must be even", lambda model: model.head_dim % 2 == 0, field="head_dim"),
    )


class CheckpointSource(ApiModel):
    """A checkpoint to start from: another job's, or one named Checkpoint."""

    one_of: ClassVar[tuple[str, ...]] = ("training_job", "name")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.select) || has(self.trainingJob)",
            "may be set only with trainingJob",
            lambda source: source.select is None or source.training_job is not None,
            field="select",
        ),
    )

    training_job: JobName | None = None
    """Name of a TrainingJob in this namespace; its checkpoint is taken once that job has ended."""
    select: Literal["Latest"] | None = None
    """Which checkpoint of trainingJob to take: Latest, the one with the highest step. Default: Latest."""
    name: ObjectName | None = None
    """Name of a Checkpoint in this namespace; taken once it is Ready."""


class HubModel(ApiModel):
    """A causal language model of the Hugging Face Hub, at one commit; safetensors only, and none of its code."""

    repository: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"),
        Field(max_length=96),
        Rule(
            "!self.contains('..') && !self.contains('--') && !self.endsWith('.git')",
            "may hold neither .. nor --, nor end with .git: the Hub has no such repository",
            lambda name: ".." not in name and "--" not in name and not name.endswith(".git"),
        ),
    ]
    """Repository, as organisation/name."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$", max_length=40)]
    """Commit of the repository, 40 hex digits: a branch or a tag could move."""
    endpoint: Endpoint | None = None
    """URL of the Hub. Default: the public one."""
    secret_ref: SecretReference | None = None
    """Secret with the key HF_TOKEN, for a gated or private repository. Default: none."""


class ModelSource(ApiModel):
    """Where the policy's first weights come from: exactly one member."""

    one_of: ClassVar[tuple[str, ...]] = ("checkpoint", "s3", "path", "hugging_face", "scratch")

    checkpoint: CheckpointSource | None = None
    """A Checkpoint object; resolved once and pinned in status.modelRef."""
    s3: S3Location | None = None
    """A folder saved by transformers' save_pretrained (safetensors, config, tokenizer) in a bucket."""
    path: AbsolutePath | None = None
    """An absolute folder in the trainer's container, in the form that save_pretrained writes."""
    hugging_face: HubModel | None = None
    """A repository of the Hugging Face Hub."""
    scratch: ScratchModel | None = None
    """Random weights, seeded by algorithm.seed."""
