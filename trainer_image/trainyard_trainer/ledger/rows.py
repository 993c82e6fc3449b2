"""A step's trajectories as rows of the ledger's tables.

Place in the data's way: station 10, between `trajectory` and `ledger`. Pure: what Postgres or JSON can't hold is
replaced here (NaN by null; in texts what `readable` replaces, whoever made them).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from psycopg.types.json import Jsonb

from trainyard_trainer.readable import readable
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.trajectory import Role, Trajectory

Row = tuple[Any, ...]

KEY: Final = ("run_uid", "step", "prompt", "sample")
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "trajectories": (
        *KEY,
        *("attempt", "group_id", "task", "question", "expected", "answer", "status", "truncated_reason", "success"),
        *("rewards", "total_reward", "normalised_reward", "advantage", "error", "started_at", "duration_seconds"),
        *("trained_step", "turn_rewards"),
    ),
    "segments": (
        *KEY,
        *("segment", "token_ids", "mask", "logprobs", "policy_versions", "advantages", "parent", "fork_at"),
    ),
    "turns": (
        *KEY,
        *("turn", "segment", "token_start", "token_end", "role", "text", "tool_call", "tool_result"),
        *("temperature", "max_new_tokens", "stop_ids", "finish_reason", "started_at", "duration_seconds"),
        *("tool_ok", "top_k", "top_p"),
    ),
}
"""Columns of each table of a step, in the order of the rows made here; parents before children."""

ANSWER_COLUMNS: Final = (
    *("run_uid", "kind", "step", "question", "sample", "query", "expected", "answer", "status", "success", "rewards"),
    *("total_reward", "policy_turns", "policy_tokens", "tool_calls", "tool_calls_ok", "error"),
    *("started_at", "duration_seconds"),
)
"""Columns of `evaluation_answers`, in the order of the rows made here."""

VOLATILE: Final = frozenset(
    {
        *("attempt", "started_at", "duration_seconds", "recorded_at"),
        *("timings", "rollout_seconds", "update_seconds", "step_seconds"),
    }
)
"""Columns that an exact continuation may fill otherwise: which attempt wrote a row, when, and how long it took. In all
others the rows of a run that was cut off and went on equal those of one that wasn't.
"""


def rows(run_uid: str, attempt: int, trained_step: int, trajectories: Sequence[Trajectory]) -> dict[str, Iterator[Row]]:
    """The rows of each table of COLUMNS.

    Args:
        run_uid: the run's key in the ledger.
        attempt: attempt that writes them.
        trained_step: the step that trains on them.
        trajectories: of that step, or late ones of earlier steps.
    """
    keyed = [((run_uid, t.id.step, t.id.prompt, t.id.sample), t) for t in trajectories]
    return {
        "trajectories": (key + _trajectory(attempt, trained_step, t) for key, t in keyed),
        "segments": (key + row for key, t in keyed for row in _segments(t)),
        "turns": (key + row for key, t in keyed for row in _turns(t)),
    }


def answer_rows(run_uid: str, kind: str, step: int, answers: Sequence[Trajectory]) -> Iterator[Row]:
    """The rows of ANSWER_COLUMNS: one for each answer of an evaluation; its prompt's number is the question's."""
    for t in answers:
        turns = [turn for turn in t.turns if turn.role is Role.POLICY]
        calls = [call for turn in turns for call in turn.calls]
        yield (
            run_uid,
            kind,
            step,
            t.id.prompt,
            t.id.sample,
            _text(t.question),
            _text(t.expected),
            _text(t.answer),
            t.status.value,
            t.success,
            _rewards(t),
            _finite(t.total_reward),
            len(turns),
            t.policy_tokens,
            len(calls),
            sum(call.ok for call in calls),
            _text(t.error),
            t.started_at,
            t.duration_seconds,
        )


def measurements_and_timings(metrics: StepMetrics) -> tuple[dict[str, float], dict[str, float]]:
    """A step's measurements in two: what a replay gives again, and what depends on the clock.

    Raises:
        ValueError: a measurement is not finite.
    """
    for name, value in metrics.values.items():
        if not math.isfinite(value):
            raise ValueError(f"metric {name}: a measurement without a value must be absent; got {value}")
    clocked = {name for name in metrics.values if name.endswith(("_seconds", "_per_second"))}
    return (
        {name: value for name, value in metrics.values.items() if name not in clocked},
        {name: value for name, value in metrics.values.items() if name in clocked},
    )


def _trajectory(attempt: int, trained_step: int, t: Trajectory) -> Row:
    return (
        attempt,
        t.group,
        _text(t.task),
        _text(t.question),
        _text(t.expected),
        _text(t.answer),
        t.status.value,
        t.truncated_reason,
        t.success,
        _rewards(t),
        _finite(t.total_reward),
        _finite(t.normalised_reward),
        t.advantage,
        _text(t.error),
        t.started_at,
        t.duration_seconds,
        trained_step,
        None if t.turn_rewards is None else [_finite(reward) for reward in t.turn_rewards],
    )


def _rewards(t: Trajectory) -> Jsonb:
    return Jsonb({name: _finite(value) for name, value in t.rewards.items()})


def _segments(t: Trajectory) -> Iterator[Row]:
    for number, segment in enumerate(t.segments):
        yield (
            number,
            list(segment.token_ids),
            list(segment.mask),
            [None if math.isnan(logprob) else logprob for logprob in segment.logprobs],
            list(segment.policy_versions),
            None if segment.advantages is None else list(segment.advantages),
            segment.parent,
            segment.fork_at,
        )


def _turns(t: Trajectory) -> Iterator[Row]:
    for number, turn in enumerate(t.turns):
        sampling = turn.sampling
        yield (
            number,
            turn.segment,
            turn.start,
            turn.end,
            turn.role.value,
            _text(turn.text),
            _text("\n".join(call.call for call in turn.calls)) if turn.calls else None,
            _text(turn.tool_result),
            None if sampling is None else sampling.temperature,
            None if sampling is None else sampling.max_new_tokens,
            None if sampling is None else list(sampling.stop_ids),
            None if turn.finish_reason is None else turn.finish_reason.value,
            turn.started_at,
            turn.duration_seconds,
            [call.ok for call in turn.calls] or None,
            None if sampling is None else sampling.top_k,
            None if sampling is None else sampling.top_p,
        )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _text(value: str | None) -> str | None:
    return None if value is None else readable(value)
