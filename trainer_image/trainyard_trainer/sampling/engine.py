"""Defines what samples turns: an engine, in this process or elsewhere.

Place in the data's way: station 5. Values and protocols only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trainyard_trainer.randomness import StreamKey
from trainyard_trainer.trajectory import FinishReason, Sampling


class Session(Protocol):
    """Stands for one conversation; only its engine looks inside."""


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
        """Opens a new, empty conversation; an engine may wait for every open session before it goes on."""

    def close_session(self, session: Session) -> None:
        """Ends the conversation; may be called again."""

    async def generate(
        self, session: Session, prompt_ids: Sequence[int], sampling: Sampling, key: StreamKey
    ) -> Generation:
        """Appends `prompt_ids` (a prompt, or a tool's result) to a conversation, then samples one turn.

        Args:
            session: the conversation; it remembers what was appended and sampled before.
            prompt_ids: token ids that the engine hasn't seen, at least one.
            sampling: how tokens are drawn.
            key: the conversation's random stream; the engine goes on in it where the turn before ended.

        Raises:
            DroppedError: a stop was asked for; the session is of no further use.
        """
