"""The ledger's tables: the contract between the operator, the trainers and whoever reads what they wrote.

Place in the data's way: station 10. `migrations/` makes these tables and says in the database what each column holds; a
test compares both with a migrated database. The operator writes runs, attempts and pod_spend, trainers the rest. What
is stored is never renamed here without a migration. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from trainyard_api.names import DATABASE_SCHEMA
from trainyard_api.table import (
    Bigint,
    Boolean,
    Booleans,
    Column,
    Double,
    Doubles,
    Integer,
    Integers,
    Json,
    Key,
    Money,
    SqlType,
    Table,
    Text,
    Time,
    Volatile,
    table,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRow:
    """A version of the schema that has been applied."""

    version: Key[Integer]
    name: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A TrainingJob object; `attempt` is the current one, and a transaction of any other is refused."""

    uid: Key[Text]
    namespace: Text
    name: Text
    attempt: Integer
    tags: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """A child Job of a run."""

    run_uid: Key[Text]
    attempt: Key[Integer]
    job_name: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendRow:
    """What an ended pod has cost."""

    pod_uid: Key[Text]
    run_uid: Text
    namespace: Text
    name: Text
    pod_name: Text
    bound_at: Time
    ended_at: Time
    rate_per_hour_usd: Money
    amount_usd: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryKey:
    """The key that a trajectory's rows share: a step that is replayed takes the place of its former rows."""

    run_uid: Key[Text]
    step: Key[Integer]
    prompt: Key[Integer]
    sample: Key[Integer]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryRow(TrajectoryKey):
    """A rollout of a prompt."""

    attempt: Volatile[Integer]
    group_id: Text
    task: Text
    question: Text
    expected: Text
    answer: Text | None
    status: Text
    truncated_reason: Text | None
    success: Boolean | None
    rewards: Json
    total_reward: Double | None
    normalised_reward: Double | None
    advantage: Double
    error: Text | None
    started_at: Volatile[Time]
    duration_seconds: Volatile[Double]
    trained_step: Integer | None
    turn_rewards: Doubles | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow(TrajectoryKey):
    """A token sequence of a trajectory; the lists have one entry for each token."""

    segment: Key[Integer]
    token_ids: Integers
    mask: Booleans
    logprobs: Doubles
    policy_versions: Integers
    advantages: Doubles | None
    parent: Integer | None
    fork_at: Integer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRow(TrajectoryKey):
    """Who wrote which tokens of a segment."""

    turn: Key[Integer]
    segment: Integer
    token_start: Integer
    token_end: Integer
    role: Text
    text: Text
    tool_call: Text | None
    tool_result: Text | None
    temperature: Double | None
    max_new_tokens: Integer | None
    stop_ids: Integers | None
    finish_reason: Text | None
    started_at: Volatile[Time]
    duration_seconds: Volatile[Double]
    tool_ok: Booleans | None
    top_k: Integer | None
    top_p: Double | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementKey:
    """The key of what was measured: kind `step` for a training step, else a measurement after so many steps."""

    run_uid: Key[Text]
    kind: Key[Text]
    step: Key[Integer]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsRow(MeasurementKey):
    """Numbers by name: those that a replay gives again, and those that depend on the clock."""

    attempt: Volatile[Integer]
    policy_version: Integer
    measurements: Json
    timings: Volatile[Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRow(MeasurementKey):
    """A measurement on questions that are never trained on; `answers` counts its rows in `evaluation_answers`."""

    attempt: Volatile[Integer]
    answers: Integer
    result: Json | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow(MeasurementKey):
    """An answer to a question of an evaluation."""

    question: Key[Integer]
    sample: Key[Integer]
    query: Text
    expected: Text
    answer: Text | None
    status: Text
    success: Boolean | None
    rewards: Json
    total_reward: Double | None
    policy_turns: Integer
    policy_tokens: Integer
    tool_calls: Integer
    tool_calls_ok: Integer
    error: Text | None
    started_at: Volatile[Time]
    duration_seconds: Volatile[Double]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRow:
    """A trainer's claim to have committed a checkpoint; the operator checks it before it makes an object of it."""

    uri: Key[Text]
    run_uid: Text
    attempt: Integer
    step: Integer
    digest: Text
    size_bytes: Bigint
    metrics: Json
    parent_uri: Text | None
    updates: Integer | None


SCHEMA_MIGRATIONS: Final = table("schema_migrations", MigrationRow, Column("applied_at", SqlType.TIME))
RUNS: Final = table(
    "runs",
    RunRow,
    Column("created_at", SqlType.TIME),
    Column("ended_at", SqlType.TIME, nullable=True),
    Column("last_write_at", SqlType.TIME, nullable=True),
)
ATTEMPTS: Final = table(
    "attempts",
    AttemptRow,
    Column("created_at", SqlType.TIME),
    Column("ended_at", SqlType.TIME, nullable=True),
    Column("reason", SqlType.TEXT, nullable=True),
)
POD_SPEND: Final = table("pod_spend", SpendRow)
TRAJECTORIES: Final = table("trajectories", TrajectoryRow)
SEGMENTS: Final = table("segments", SegmentRow)
TURNS: Final = table("turns", TurnRow)
TRAINING_METRICS: Final = table(
    "training_metrics",
    MetricsRow,
    Column("recorded_at", SqlType.TIME, volatile=True),
    Column("reward_mean", SqlType.DOUBLE, nullable=True),
    Column("success_rate", SqlType.DOUBLE, nullable=True),
    Column("loss", SqlType.DOUBLE, nullable=True),
    Column("rollout_seconds", SqlType.DOUBLE, nullable=True, volatile=True),
    Column("update_seconds", SqlType.DOUBLE, nullable=True, volatile=True),
    Column("step_seconds", SqlType.DOUBLE, nullable=True, volatile=True),
)
EVALUATIONS: Final = table("evaluations", EvaluationRow, Column("recorded_at", SqlType.TIME, volatile=True))
EVALUATION_ANSWERS: Final = table("evaluation_answers", AnswerRow)
CHECKPOINTS: Final = table("checkpoints", CheckpointRow, Column("committed_at", SqlType.TIME))

TABLES: Final[tuple[Table[Any], ...]] = (
    *(SCHEMA_MIGRATIONS, RUNS, ATTEMPTS, POD_SPEND),
    *(TRAJECTORIES, SEGMENTS, TURNS, TRAINING_METRICS, EVALUATIONS, EVALUATION_ANSWERS, CHECKPOINTS),
)
"""Every table, parents before children."""

VOLATILE: Final = frozenset(column.name for each in TABLES for column in each.columns if column.volatile)
"""Names of the columns that an exact continuation may fill otherwise. In all others the rows of a run that was cut off
and went on equal those of one that wasn't.
"""

IDENTIFIERS: Final[Mapping[str, tuple[str, ...]]] = {each.name: (DATABASE_SCHEMA, each.name) for each in TABLES} | {
    f"{each.name}.{column.name}": (column.name,) for each in TABLES for column in each.columns
}
"""What a statement may name, `table` or `table.column`, and the parts of its SQL identifier: a table with its schema, a
column alone.
"""
