"""One rollout while it runs: tokens, masks and turns are appended and never changed.

Place in the data's way: station 5. The one mutable value of the loop; it ends as a frozen `Trajectory`, whose texts
everybody can read. No sampling, no environment, no clock but the times it is given.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from trainyard_trainer.environment import Observation, PolicyTurn, Question, UnreadableCall
from trainyard_trainer.readable import readable
from trainyard_trainer.sampling.engine import Generation
from trainyard_trainer.trajectory import (
    CallOutcome,
    Role,
    Sampling,
    Segment,
    Trajectory,
    TrajectoryId,
    TrajectoryStatus,
    Turn,
)


class Conversation:
    """Collects a rollout of one prompt: all its tokens so far, in one segment."""

    def __init__(self, identity: TrajectoryId, task: str, question: Question) -> None:
        self.id = identity
        self.question = question
        self.unread: tuple[int, ...] = ()
        """Tokens that the engine must read before it samples the next turn."""
        self.status: TrajectoryStatus | None = None
        """None while it runs."""
        self.policy_turns = 0
        self._task = task
        self._started_at = datetime.now(UTC)
        self._token_ids: list[int] = []
        self._mask: list[bool] = []
        self._logprobs: list[float] = []
        self._versions: list[int | None] = []
        self._support: list[tuple[int, ...] | None] = []
        self._turns: list[Turn] = []
        self._observation: Observation | None = None
        self._truncated_reason: str | None = None
        self._error: str | None = None

    def __len__(self) -> int:
        """Counts its tokens."""
        return len(self._token_ids)

    def hear(
        self, role: Role, text: str, token_ids: tuple[int, ...], *, observation: Observation | None = None
    ) -> None:
        """Appends what the policy reads: the prompt, or what a tool answered."""
        calls = observation.calls if observation else ()
        result = readable("\n".join(call.result for call in calls)) if calls else None
        self._append(token_ids, role, text, datetime.now(UTC), 0.0, tool_result=result)
        self._mask += [False] * len(token_ids)
        self._logprobs += [math.nan] * len(token_ids)
        self._versions += [None] * len(token_ids)
        self._support += [None] * len(token_ids)
        self.unread = token_ids

    def say(
        self,
        generation: Generation,
        turn: PolicyTurn,
        sampling: Sampling,
        started_at: datetime,
        observation: Observation | None,
    ) -> None:
        """Appends what the policy sampled; `observation` is what the environment made of it, None if it wasn't
        asked.
        """
        seconds = (datetime.now(UTC) - started_at).total_seconds()
        calls = observation.calls if observation else ()
        written = turn.text if turn.written is None else turn.written
        self._append(
            generation.token_ids, Role.POLICY, written, started_at, seconds, sampling=sampling,
            finish_reason=generation.finish_reason, calls=tuple(map(_for_people, calls or _unreadable(turn))),
        )  # fmt: skip
        self._mask += [True] * len(generation.token_ids)
        self._logprobs += generation.logprobs
        self._versions += generation.policy_versions
        self._support += generation.support or [None] * len(generation.token_ids)
        self.unread = ()
        self.policy_turns += 1
        self._observation = observation or self._observation

    def end(self, status: TrajectoryStatus, *, truncated_reason: str | None = None, error: str | None = None) -> None:
        """Ends it; nothing may be appended any more."""
        self.status = status
        self._truncated_reason = truncated_reason
        self._error = None if error is None else readable(error)

    def trajectory(self) -> Trajectory:
        """Returns the finished rollout, unscored."""
        if self.status is None:
            raise ValueError(f"{self.id} hasn't ended")
        verdict = self._observation if self._observation and self._observation.done else None
        failed = self.status is TrajectoryStatus.FAILED_ENVIRONMENT
        return Trajectory(
            id=self.id,
            group=f"{self.id.step}/{self.id.prompt}",
            task=self._task,
            question=readable(self.question.text),
            expected=readable(self.question.expected),
            status=self.status,
            segments=(self._segment(),) if self._token_ids else (),
            turns=tuple(self._turns),
            started_at=self._started_at,
            duration_seconds=(datetime.now(UTC) - self._started_at).total_seconds(),
            truncated_reason=self._truncated_reason,
            answer=readable(verdict.answer) if verdict and verdict.answer is not None else None,
            success=None if failed else bool(verdict and verdict.success),
            error=self._error,
        )

    def _segment(self) -> Segment:
        cut = any(ids is not None for ids in self._support)
        return Segment(
            token_ids=tuple(self._token_ids),
            mask=tuple(self._mask),
            logprobs=tuple(self._logprobs),
            policy_versions=self._versions_of_readers(),
            support=tuple(self._support) if cut else None,
        )

    def _versions_of_readers(self) -> tuple[int, ...]:
        """Returns for each token the policy version that sampled it, or that sampled the next sampled token, or else
        the last one.
        """
        known = [version for version in self._versions if version is not None]
        reader = known[-1] if known else 0
        versions: list[int] = []
        for version in reversed(self._versions):
            reader = reader if version is None else version
            versions.append(reader)
        return tuple(reversed(versions))

    def _append(
        self, token_ids: tuple[int, ...], role: Role, text: str, started_at: datetime, seconds: float, **more: object
    ) -> None:
        start = len(self._token_ids)
        self._token_ids += token_ids
        end = len(self._token_ids)
        self._turns.append(Turn(0, start, end, role, readable(text), started_at, seconds, **more))  # type: ignore[arg-type]


def _for_people(call: CallOutcome) -> CallOutcome:
    return CallOutcome(readable(call.call), readable(call.result), ok=bool(call.ok))


def _unreadable(turn: PolicyTurn) -> tuple[CallOutcome, ...]:
    """Lists the calls of a turn that fail because they can't be read."""
    return tuple(
        CallOutcome(call.text, call.problem, ok=False) for call in turn.calls if isinstance(call, UnreadableCall)
    )
