"""A step's trajectories as rows of the ledger's tables.

Place in the data's way: station 10, between a trajectory and its ledger. Pure: what Postgres or JSON can't hold is
replaced here (NaN by null; in texts what `readable` replaces, whoever made them).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from trainyard_api.ledger import SEGMENTS, TRAJECTORIES, TURNS, AnswerRow, SegmentRow, TrajectoryRow, TurnRow
from trainyard_api.table import Table
from trainyard_trainer.readable import readable
from trainyard_trainer.sinks import StepMetrics
from trainyard_trainer.trajectory import Role, Trajectory, TrajectoryId

STEP_TABLES: Final[tuple[Table[Any], ...]] = (TRAJECTORIES, SEGMENTS, TURNS)
"""Tables of a step's trajectories, parents before children."""


def rows(run_uid: str, attempt: int, trained_step: int, trajectories: Sequence[Trajectory]) -> dict[str, Iterator[Any]]:
    """Makes the rows of each of STEP_TABLES, by the table's name.

    Args:
        run_uid: the run's key in the ledger.
        attempt: attempt that writes them.
        trained_step: the step that trains on them.
        trajectories: of that step, or late ones of earlier steps.
    """
    return {
        TRAJECTORIES.name: (_trajectory(run_uid, attempt, trained_step, t) for t in trajectories),
        SEGMENTS.name: (row for t in trajectories for row in _segments(run_uid, t)),
        TURNS.name: (row for t in trajectories for row in _turns(run_uid, t)),
    }


def answer_rows(run_uid: str, kind: str, step: int, answers: Sequence[Trajectory]) -> Iterator[AnswerRow]:
    """Makes one row for each answer of an evaluation; its prompt's number is the question's."""
    for t in answers:
        turns = [turn for turn in t.turns if turn.role is Role.POLICY]
        calls = [call for turn in turns for call in turn.calls]
        yield AnswerRow(
            run_uid=run_uid,
            kind=kind,
            step=step,
            question=t.id.prompt,
            sample=t.id.sample,
            query=readable(t.question),
            expected=readable(t.expected),
            answer=_text(t.answer),
            status=t.status.value,
            success=t.success,
            rewards=_rewards(t),
            total_reward=_finite(t.total_reward),
            policy_turns=len(turns),
            policy_tokens=t.policy_tokens,
            tool_calls=len(calls),
            tool_calls_ok=sum(call.ok for call in calls),
            error=_text(t.error),
            started_at=t.started_at,
            duration_seconds=t.duration_seconds,
        )


def measurements_and_timings(metrics: StepMetrics) -> tuple[dict[str, float], dict[str, float]]:
    """Splits a step's measurements into what a replay gives again and what depends on the clock.

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


def _trajectory(run_uid: str, attempt: int, trained_step: int, t: Trajectory) -> TrajectoryRow:
    return TrajectoryRow(
        **_key(run_uid, t.id),
        attempt=attempt,
        group_id=t.group,
        task=readable(t.task),
        question=readable(t.question),
        expected=readable(t.expected),
        answer=_text(t.answer),
        status=t.status.value,
        truncated_reason=t.truncated_reason,
        success=t.success,
        rewards=_rewards(t),
        total_reward=_finite(t.total_reward),
        normalised_reward=_finite(t.normalised_reward),
        advantage=t.advantage,
        error=_text(t.error),
        started_at=t.started_at,
        duration_seconds=t.duration_seconds,
        trained_step=trained_step,
        turn_rewards=None if t.turn_rewards is None else [_finite(reward) for reward in t.turn_rewards],
    )


def _segments(run_uid: str, t: Trajectory) -> Iterator[SegmentRow]:
    for number, segment in enumerate(t.segments):
        yield SegmentRow(
            **_key(run_uid, t.id),
            segment=number,
            token_ids=list(segment.token_ids),
            mask=list(segment.mask),
            logprobs=[None if math.isnan(logprob) else logprob for logprob in segment.logprobs],
            policy_versions=list(segment.policy_versions),
            advantages=None if segment.advantages is None else list(segment.advantages),
            parent=segment.parent,
            fork_at=segment.fork_at,
        )


def _turns(run_uid: str, t: Trajectory) -> Iterator[TurnRow]:
    for number, turn in enumerate(t.turns):
        sampling = turn.sampling
        yield TurnRow(
            **_key(run_uid, t.id),
            turn=number,
            segment=turn.segment,
            token_start=turn.start,
            token_end=turn.end,
            role=turn.role.value,
            text=readable(turn.text),
            tool_call=readable("\n".join(call.call for call in turn.calls)) if turn.calls else None,
            tool_result=_text(turn.tool_result),
            temperature=None if sampling is None else sampling.temperature,
            max_new_tokens=None if sampling is None else sampling.max_new_tokens,
            stop_ids=None if sampling is None else list(sampling.stop_ids),
            finish_reason=None if turn.finish_reason is None else turn.finish_reason.value,
            started_at=turn.started_at,
            duration_seconds=turn.duration_seconds,
            tool_ok=[call.ok for call in turn.calls] or None,
            top_k=None if sampling is None else sampling.top_k,
            top_p=None if sampling is None else sampling.top_p,
        )


def _key(run_uid: str, name: TrajectoryId) -> dict[str, Any]:
    return {"run_uid": run_uid, "step": name.step, "prompt": name.prompt, "sample": name.sample}


def _rewards(t: Trajectory) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in t.rewards.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _text(value: str | None) -> str | None:
    return None if value is None else readable(value)
