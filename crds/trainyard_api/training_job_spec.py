"""What a user asks for: the spec of a TrainingJob.

Place in the data's way: station 1. The larger parts have modules of their own. Every field has a description with its
unit and default; the description becomes the CRD's. A field that no code reads is absent. No I/O, no policy.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import Field

from trainyard_api.algorithm import Algorithm
from trainyard_api.evaluation import Evaluation
from trainyard_api.fields import ApiModel, Identifier, Money, Text
from trainyard_api.model_source import ModelSource, SecretReference, Storage
from trainyard_api.rules import Rule, immutable
from trainyard_api.task import TaskSpec
from trainyard_api.tracking import Tracking
from trainyard_api.trainer_pod import TrainerSpec


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


class RetryPolicy(ApiModel):
    """What happens after a trainer has crashed."""

    max_restarts: Annotated[int, Field(ge=0, le=100)] = 3
    """Crashes since the newest checkpoint after which another attempt is made; one more holds the job until this field
    or `trainer` is edited. Interruptions, as by preemption, don't count. Default: 3."""


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

    suspend: bool | None = None
    """True stops the trainer pod after a checkpoint and holds the job; false lets it go on from there. Best left out of
    a manifest that is applied again and again. Default: absent, as false."""
    cancel: bool | None = None
    """True stops the trainer pod after a checkpoint and ends the job for ever; what follows, false or absence, is
    ignored. Default: absent."""
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
    retry: RetryPolicy = RetryPolicy()
    """What happens after a crash. An edit counts at once."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    """Seconds after its end at which the operator deletes this TrainingJob; its Checkpoints and rows stay. Default:
    never."""
    tracking: Tracking | None = None
    """Experiment trackers. An edit counts from the next attempt. Default: none."""
    tags: Annotated[dict[Identifier, Text], Field(max_length=32)] = {}
    """Words about the run, as the commit of its code or the version of its data; they go with it to the ledger, the
    checkpoints and the trackers. An edit counts from the next attempt. Default: none."""
