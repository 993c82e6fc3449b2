"""The loop's vocabulary: trajectories, their token segments and their turns.

Place in the data's way: stations 5 to 8 and 10. Token ids are the truth and messages are kept for people: text is never
tokenised again. Frozen; a later station makes a new value with `dataclasses.replace`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class TrajectoryId:
    """Which rollout this is; also the key of its random stream."""

    run: str
    step: int
    prompt: int
    sample: int


class TrajectoryStatus(StrEnum):
    """How a rollout ended."""

    OK = "ok"
    """The environment ended it."""
    TRUNCATED = "truncated"
    """A limit on turns or tokens cut it off."""
    FAILED_ENVIRONMENT = "failed_environment"
    """The environment raised; not the policy's fault."""
    FAILED_REWARD = "failed_reward"
    """A reward raised, or gave NaN, infinity or nothing: out of all statistics and denominators."""
    CANCELLED = "cancelled"
    """A stop interrupted it."""


_JUDGED = frozenset({TrajectoryStatus.OK, TrajectoryStatus.TRUNCATED})


class Role(StrEnum):
    """Who wrote the tokens of a turn."""

    PROMPT = "prompt"
    POLICY = "policy"
    TOOL = "tool"


class FinishReason(StrEnum):
    """Why the sampler stopped."""

    STOP = "stop"
    """A stop id was sampled; it belongs to the turn."""
    LENGTH = "length"
    """The limit on new tokens was reached."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn: temperature, the ids that end a turn, and the filters on what may be drawn."""

    temperature: float
    max_new_tokens: int
    stop_ids: tuple[int, ...]
    top_k: int | None = None
    top_p: float | None = None


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """One tool call of a policy turn, and what came of it.

    Both texts are for people: what was called, and the result as the policy is told it, of a call that failed the
    error. A call that couldn't be read failed.
    """

    call: str
    result: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """A span of tokens written by one role.

    `start` and `end` index the tokens of segment number `segment`. `duration_seconds` is wall time. `calls` are those
    of a policy turn, in their order; `tool_result` is what a tool's turn tells of them, one result to a line.
    """

    segment: int
    start: int
    end: int
    role: Role
    text: str
    started_at: datetime
    duration_seconds: float
    sampling: Sampling | None = None
    finish_reason: FinishReason | None = None
    calls: tuple[CallOutcome, ...] = ()
    tool_result: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One token sequence that is trained as a row; all tuples have its length T.

    `mask` is True where the policy sampled the token. `logprobs` are the sampler's, NaN where the mask is False.
    `advantages` are the trajectory's by default. `parent` and `fork_at` say where a rewritten history left another one.
    `support` holds, where a filter cut the distribution that a token was drawn from, the ids that it could be drawn
    from, ascending; None elsewhere, and None as a whole where nothing was cut.
    """

    token_ids: tuple[int, ...]
    mask: tuple[bool, ...]
    logprobs: tuple[float, ...]
    policy_versions: tuple[int, ...]
    advantages: tuple[float, ...] | None = None
    parent: int | None = None
    fork_at: int | None = None
    support: tuple[tuple[int, ...] | None, ...] | None = None

    @property
    def policy_tokens(self) -> int:
        """Counts the tokens that the policy sampled."""
        return sum(self.mask)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One rollout of one prompt.

    `id.step` is the step that asked its prompt; a late trajectory is trained in a later one. `rewards` are raw, by
    name; `total_reward` is their weighted sum; `turn_rewards` are weighted sums too, one for each policy turn, where
    rewards gave them by turn. `success` is the task's verdict, which doesn't depend on reward weights.
    `normalised_reward` is (r - mean) / std of its group, None where that has no value.
    """

    id: TrajectoryId
    group: str
    task: str
    question: str
    expected: str
    status: TrajectoryStatus
    segments: tuple[Segment, ...]
    turns: tuple[Turn, ...]
    started_at: datetime
    duration_seconds: float
    truncated_reason: str | None = None
    answer: str | None = None
    success: bool | None = None
    rewards: Mapping[str, float] = field(default_factory=dict)
    total_reward: float | None = None
    turn_rewards: tuple[float, ...] | None = None
    normalised_reward: float | None = None
    advantage: float = 0.0
    error: str | None = None

    @property
    def scored(self) -> bool:
        """Says whether it counts in statistics and denominators."""
        return self.total_reward is not None

    @property
    def judged(self) -> bool:
        """Says whether it has a verdict that counts: one of whose environment or reward failed has none."""
        return self.success is not None and self.status in _JUDGED

    @property
    def policy_tokens(self) -> int:
        """Counts the tokens that the policy sampled, over all segments."""
        return sum(segment.policy_tokens for segment in self.segments)
