"""The four seams of the loop: who samples, who answers the agent, who gives trajectories, who holds the weights.

Place in the data's way: stations 5 to 8. Protocols and the values that cross them, nothing else. Each has one
implementation in this process today: `sampler`, the tasks' environments, `rollout` and `policy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from trainyard_trainer.outlets import Snapshot
from trainyard_trainer.policy.batches import MicroBatch, Row
from trainyard_trainer.sampling.randomness import Stream, StreamKey
from trainyard_trainer.trajectory import FinishReason, Sampling, Trajectory


class RolloutInterruptedError(Exception):
    """A stop was asked for in the middle of a rollout: what isn't finished is dropped."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the agent is asked: the prompt's text, which also identifies it, and the right answer."""

    text: str
    expected: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question of a step; `index` counts from 0 within the step."""

    step: int
    index: int
    question: Question


class Session(Protocol):
    """One conversation as its engine remembers it; opaque to everybody else."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Append `token_ids` (a prompt, or a tool's result) to a conversation, then sample one turn.

    `key` names the conversation's random stream; the engine goes on in it where the turn before ended.
    """

    session: Session
    token_ids: tuple[int, ...]
    sampling: Sampling
    key: StreamKey


@dataclass(frozen=True, slots=True)
class Generation:
    """A sampled turn. `logprobs` are those of the tempered distribution that the tokens were drawn from."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason
    policy_version: int


class Engine(Protocol):
    """Samples turns, many conversations at a time."""

    def open_session(self) -> Session:
        """A new, empty conversation."""

    def generate(self, requests: Sequence[GenerationRequest], interrupted: Callable[[], bool]) -> list[Generation]:
        """One turn for each request, in their order. A session may occur once.

        Args:
            requests: what to append and how to sample.
            interrupted: asked now and then; once it says True the call is given up.

        Raises:
            RolloutInterruptedError: `interrupted` said so; the sessions are of no further use.
        """


@dataclass(frozen=True, slots=True)
class Observation:
    """What the environment makes of a policy turn.

    `text` is appended for the policy to read, unless `done`. `answer` and `success`, the task's verdict, count at the
    end. `tool_call` and `tool_result` are what the policy asked a tool and what it answered, for people.
    """

    done: bool
    text: str = ""
    tool_call: str | None = None
    tool_result: str | None = None
    answer: str | None = None
    success: bool = False


class Environment(Protocol):
    """The world of one conversation; owns the tools. What it raises fails that trajectory only."""

    async def reset(self, question: Question) -> str:
        """The prompt's text."""

    async def step(self, text: str) -> Observation:
        """The consequence of a policy turn that ended by itself."""


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """How prompts are rolled out: trajectories per prompt, temperature, limit on turns, random stream."""

    group_size: int
    temperature: float
    max_turns: int
    stream: Stream


class RolloutSource(Protocol):
    """Where trajectories come from."""

    def rollout(self, prompts: Sequence[Prompt], plan: RolloutPlan) -> Iterator[Trajectory]:
        """`plan.group_size` finished, unscored trajectories of each prompt, in any order.

        Raises:
            RolloutInterruptedError: a stop was asked for.
        """


TokenLoss = Callable[[torch.Tensor, MicroBatch], torch.Tensor]
"""Losses of single tokens from their log-probabilities, both [B, T]; what a mask leaves out is ignored."""


@dataclass(frozen=True, slots=True)
class UpdateOutcome:
    """What an optimizer update measured; a value that isn't finite is None.

    `grad_norm` is the norm before clipping, `entropy` the mean over policy tokens in nats, `sampler_gap` the largest
    |log-probability of the sampler - of the policy| where the rows came from a sampler. `skipped`: loss or gradient
    wasn't finite, nothing was changed.
    """

    loss: float | None
    grad_norm: float | None
    entropy: float | None
    sampler_gap: float | None
    skipped: bool


class Policy(Protocol):
    """The weights and their optimizer: the only place that knows how they are spread over devices.

    Attributes:
        architecture: name of the model's class.
        learning_rate: the optimizer's.
    """

    architecture: str
    learning_rate: float

    @property
    def version(self) -> int:
        """Optimizer updates done so far."""

    @property
    def skipped_in_a_row(self) -> int:
        """Updates skipped since the last that was done."""

    def logprobs(self, batch: MicroBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of each token given those before it, and the entropy there; both [B, T], 0 at T = 0."""

    def update(self, rows: Sequence[Row], token_loss: TokenLoss) -> UpdateOutcome:
        """One optimizer update on the weighted sum of all rows' token losses, however many passes it takes."""

    def state(self) -> dict[str, Any]:
        """What a continuation needs besides the weights, copied to host memory."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, bit for bit, given the weights that it was taken with."""

    def snapshot(self, step: int, metrics: Mapping[str, str]) -> Snapshot:
        """Weights and state after `step` finished steps, copied to host memory."""
