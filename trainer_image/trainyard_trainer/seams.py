"""The four seams of the loop: who samples, who answers the agent, who gives trajectories, who holds the weights.

Place in the data's way: stations 5 to 8. Protocols and the values that cross them, nothing else. Each has one
implementation in this process today: `sampling`, the tasks' environments, `rollouts` and `policy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

from trainyard_trainer.outlets import Snapshot
from trainyard_trainer.sampling.randomness import Stream, StreamKey
from trainyard_trainer.trajectory import CallOutcome, FinishReason, Sampling, Trajectory

if TYPE_CHECKING:
    # Both import torch; a task, or the worker of a user's rewards, needs none.
    from trainyard_trainer.policy.batches import Row
    from trainyard_trainer.policy.loss_inputs import LossInputs, TokenLosses


class RolloutInterruptedError(Exception):
    """A stop was asked for in the middle of a rollout: what isn't finished is dropped."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the agent is asked: the query's text, which also identifies it, and the right answer.

    `line` is where it stands in its file, from 1; None for one that no file has.
    """

    text: str
    expected: str
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question of a step; `index` counts from 0 within the step."""

    step: int
    index: int
    question: Question


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the policy wrote. `arguments` are the JSON object it gave."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UnreadableCall:
    """What the policy wrote in place of a call, and why it can't be read; the policy is told."""

    text: str
    problem: str


ChatRole: TypeAlias = Literal["system", "user", "assistant", "tool"]
"""Who speaks, in the words of chat templates."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a chat, in the terms of chat templates."""

    role: ChatRole
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    """Name of the tool whose result this is."""


Said = str | tuple[Message, ...]
"""What is put before the policy: plain text, or messages that the model's chat template writes."""


def is_said(value: Any) -> bool:
    """Whether a value of a user's code is one: a text, or a tuple of messages, at least one, with texts in them."""
    if isinstance(value, str):
        return True
    return isinstance(value, tuple) and len(value) > 0 and all(map(_is_message, value))


def _is_message(value: Any) -> bool:
    if not isinstance(value, Message) or value.role not in get_args(ChatRole):
        return False
    texts = isinstance(value.content, str) and (value.name is None or isinstance(value.name, str))
    return texts and isinstance(value.tool_calls, tuple) and all(map(_is_call, value.tool_calls))


def _is_call(value: Any) -> bool:
    return isinstance(value, ToolCall) and isinstance(value.name, str) and isinstance(value.arguments, Mapping)


@dataclass(frozen=True, slots=True)
class PolicyTurn:
    """What the policy said without its reasoning, and the tool calls in it, in their order.

    `written` is all that it wrote, for people; None where that is `text`.
    """

    text: str
    calls: tuple[ToolCall | UnreadableCall, ...] = ()
    written: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the environment makes of a policy turn.

    `reply` is put before the policy, unless `done`. `answer` and `success`, the task's verdict, count at the end.
    `calls` says of each tool call in the turn what came of it; calls that can't be read count as failed even where it
    is empty.
    """

    done: bool
    reply: Said = ""
    calls: tuple[CallOutcome, ...] = ()
    answer: str | None = None
    success: bool = False


class Environment(Protocol):
    """The world of one conversation; owns the tools. What it raises fails that trajectory only."""

    async def reset(self, question: Question) -> Said:
        """What the policy is asked."""

    async def step(self, turn: PolicyTurn) -> Observation:
        """The consequence of a policy turn that ended by itself."""


class Session(Protocol):
    """One conversation as its engine remembers it; opaque to everybody else."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A sampled turn.

    `logprobs` are those of the distribution that the tokens were drawn from: tempered, filtered and renormalised.
    `policy_versions` has one entry per token: an engine elsewhere may get new weights in the middle of a turn.
    `support` is as in `trajectory.Segment`.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason
    policy_versions: tuple[int, ...]
    support: tuple[tuple[int, ...] | None, ...] | None = None


class Engine(Protocol):
    """Samples turns of many conversations, each of which awaits its own."""

    def open_session(self) -> Session:
        """A new, empty conversation. An engine may wait for every open session before it goes on."""

    def close_session(self, session: Session) -> None:
        """The conversation is over; closing twice does no harm."""

    async def generate(
        self, session: Session, prompt_ids: Sequence[int], sampling: Sampling, key: StreamKey
    ) -> Generation:
        """Append `prompt_ids` (a prompt, or a tool's result) to a conversation, then sample one turn.

        Args:
            session: the conversation; it remembers what was appended and sampled before.
            prompt_ids: token ids that the engine hasn't seen, at least one.
            sampling: how tokens are drawn.
            key: the conversation's random stream; the engine goes on in it where the turn before ended.

        Raises:
            RolloutInterruptedError: a stop was asked for; the session is of no further use.
        """


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """How prompts are rolled out; `max_new_tokens` per turn, the task's own limit where it is None."""

    group_size: int
    temperature: float
    max_turns: int
    stream: Stream
    max_new_tokens: int | None = None
    top_k: int | None = None
    top_p: float | None = None


class RolloutSource(Protocol):
    """Where trajectories come from."""

    def rollout(self, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        """Finished, unscored trajectories, in any order.

        A source in this process gives `plan.group_size` of each prompt. One that runs ahead may give late ones, whose
        ids name earlier steps, and whose tokens were sampled by earlier versions of the policy.

        Raises:
            RolloutInterruptedError: a stop was asked for.
        """


Loss: TypeAlias = "Callable[[LossInputs], TokenLosses]"
"""Losses of the policy tokens of one micro-batch. Pure; the policy weighs and sums them."""


@dataclass(frozen=True, slots=True)
class UpdateOutcome:
    """What an optimizer update measured; a value that isn't finite, or doesn't exist, is None.

    `loss` is the whole update's. `grad_norm` is the norm before clipping, `entropy` the mean over policy tokens in
    nats, `kl` the mean estimate of the divergence from the reference, `clip_low` and `clip_high` the shares of policy
    tokens whose gradient a clip cut. `sampler_gap` is the largest |log-probability of the sampler - of the policy| over
    tokens that this very version sampled, `sampler_gap_mean` the mean over the same tokens. `skipped` counts updates
    whose loss or gradient wasn't finite, which changed nothing: one at most, but where a step's updates are merged.
    `out_of_memory` counts passes that were given up and done again in smaller parts.
    """

    loss: float | None
    grad_norm: float | None
    entropy: float | None
    sampler_gap: float | None
    skipped: int
    kl: float | None = None
    clip_low: float | None = None
    clip_high: float | None = None
    policy_tokens: int = 0
    out_of_memory: int = 0
    sampler_gap_mean: float | None = None


@dataclass(frozen=True, slots=True)
class SamplerTolerance:
    """How far log-probabilities of sampler and policy may differ, in nats, by rounding alone: one token's, and the mean
    over an update's tokens; infinite where it doesn't matter.
    """

    largest: float
    mean: float


class Policy(Protocol):
    """The weights and their optimizer: the only place that knows how they are spread over devices.

    Attributes:
        architecture: name of the model's class.
        learning_rate: the optimizer's.
        sampler_tolerance: differences between sampler and policy that rounding explains in the type that the model
            computes in.
    """

    architecture: str
    learning_rate: float
    sampler_tolerance: SamplerTolerance

    @property
    def version(self) -> int:
        """Optimizer updates done so far."""

    @property
    def skipped_in_a_row(self) -> int:
        """Updates skipped since the last that was done."""

    def has_finite_weights(self) -> bool:
        """Whether every weight is a finite number."""

    def prepare(self, longest_row: int) -> None:
        """Settle how many tokens a pass may have, given the longest row to be expected; once, before the first step."""

    def score(self, rows: Sequence[Row]) -> list[tuple[float, ...]]:
        """Log-probabilities of each row's tokens under the weights of now; NaN where the mask is False."""

    def reference_score(self, rows: Sequence[Row]) -> list[tuple[float, ...]]:
        """The same under the reference: the weights that the run began with."""

    def update(self, rows: Sequence[Row], loss: Loss) -> UpdateOutcome:
        """One optimizer update on the weighted sum of all rows' token losses, however many passes it takes."""

    def load_weights(self, folder: Path) -> None:
        """Take the weights of a snapshot whose files lie in `folder`, bit for bit; the reference stays as it is."""

    def state(self) -> dict[str, Any]:
        """What a continuation needs besides the weights, copied to host memory."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, bit for bit, given the weights that it was taken with."""

    def snapshot(
        self,
        step: int,
        metrics: Mapping[str, str],
        *,
        updates: int | None = None,
        more: Mapping[str, Any] | None = None,
        final: bool = False,
    ) -> Snapshot:
        """Weights and state after `step` finished steps and `updates` of the next one's, copied to host memory; `more`
        goes into the trainer's state. A `final` one can be used without its run: an adapter is merged in it.
        """
