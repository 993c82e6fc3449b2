"""Conversations with an engine, for tests of what it samples."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from tests.waiting import GUARD_SECONDS
from trainyard_trainer.memory import Room
from trainyard_trainer.randomness import Stream, StreamKey
from trainyard_trainer.sampling.engine import Engine, Generation
from trainyard_trainer.trajectory import Sampling

PROMPTS = [(4, 5, 6), (7, 8), (9, 10, 12, 13, 14), (15,), (4, 5, 6), (16, 17, 18, 19), tuple(range(4, 20)), (7, 8)]
RESULTS = [(6, 6, 7), (8,), (9, 9), (20, 21, 22, 23, 24, 25, 26, 27), (10,), (5, 5, 5, 5)]
SAMPLING = Sampling(temperature=1.0, max_new_tokens=8, stop_ids=(3, 11))


@dataclass
class Policy:
    """What engines need of a policy, for a bare model."""

    model: Any
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    pad_id: int = 0
    version: int = 0
    slots: int | None = None
    limit: Room | None = None

    def room(self) -> Room | None:
        """What the test says."""
        return self.limit


@dataclass
class Talk:
    """What was said in one conversation: all tokens, and the log-probabilities of the sampled ones by position."""

    token_ids: list[int] = field(default_factory=list)
    logprobs: dict[int, float] = field(default_factory=dict)
    generations: list[Generation] = field(default_factory=list)

    def append(self, prompt_ids: Sequence[int], generation: Generation) -> None:
        self.token_ids += prompt_ids
        self.logprobs |= {len(self.token_ids) + place: value for place, value in enumerate(generation.logprobs)}
        self.token_ids += generation.token_ids
        self.generations.append(generation)


Pause = Callable[[int, int], Awaitable[None]]


def _alike(number: int, turn: int) -> Sampling:  # noqa: ARG001 (as others are asked)
    """Everybody samples alike."""
    return SAMPLING


async def _never(number: int, turn: int) -> None:
    """An environment that answers at once."""


def converse(
    engine: Engine,
    order: Sequence[int] = tuple(range(len(PROMPTS))),
    *,
    turns: int = 3,
    sampling: Callable[[int, int], Sampling] = _alike,
    pause: Pause = _never,
) -> dict[int, Talk]:
    """Conversations number `order`, opened in that order, of some turns each; `pause` is before each turn."""

    async def talk(number: int, session: Any) -> Talk:
        talk = Talk()
        try:
            for turn in range(turns):
                await pause(number, turn)
                fresh = RESULTS[(number + turn) % len(RESULTS)] if turn else PROMPTS[number]
                key = StreamKey(9, Stream.TRAINING_TOKENS, 0, number)
                talk.append(fresh, await engine.generate(session, fresh, sampling(number, turn), key))
        finally:
            engine.close_session(session)
        return talk

    async def all_of_them() -> list[Talk]:
        sessions = [engine.open_session() for _ in order]
        return await asyncio.gather(*(talk(number, session) for number, session in zip(order, sessions, strict=True)))

    found = asyncio.run(asyncio.wait_for(all_of_them(), GUARD_SECONDS))
    return dict(zip(order, found, strict=True))


def tokens(talks: dict[int, Talk]) -> dict[int, list[int]]:
    """All tokens by conversation, in the order of their numbers."""
    return {number: talks[number].token_ids for number in sorted(talks)}


def gap(model: Any, talks: dict[int, Talk]) -> float:
    """Largest |log-probability of the sampler - of a full forward of each conversation alone|."""
    largest = 0.0
    for talk in talks.values():
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([talk.token_ids]), use_cache=False).logits[0]
        logprobs = torch.log_softmax(logits.double(), dim=-1)
        for place, value in talk.logprobs.items():
            largest = max(largest, abs(logprobs[place - 1, talk.token_ids[place]].item() - value))
    return largest
