"""Conversations and turns as the engine in this process keeps them while it samples.

Place in the data's way: station 5. Mutable, and seen by the engine and its decoders only; what leaves is a frozen
`Generation`. Nothing here runs a model.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainyard_trainer.randomness import StreamKey, uniforms
from trainyard_trainer.sampling.engine import Generation
from trainyard_trainer.trajectory import FinishReason, Sampling

if TYPE_CHECKING:
    from trainyard_trainer.sampling.in_process.cache import CacheRows

NUMBERS = 256
"""Uniform numbers that are drawn at a time for a turn."""


class CachedSession:
    """Holds one conversation: all its tokens, how many were sampled, and what its decoder keeps of it.

    Attributes:
        number: sessions are numbered in the order in which they were opened.
        seated: whether a decoder holds anything of it.
        row: its row of the decoder's batch, while it is there.
        place: its row of a block of caches that was set aside.
        lost: why it can't go on, once its engine failed.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.token_ids: list[int] = []
        self.sampled = 0
        self.seated = False
        self.row: int | None = None
        self.place: tuple[CacheRows, int] | None = None
        self.lost: BaseException | None = None

    def leave(self) -> None:
        """Marks that no decoder holds anything of it any more."""
        self.seated, self.place, self.row = False, None, None


@dataclass(eq=False, slots=True)
class OpenTurn:
    """Holds a turn that was asked for: what it begins with, and what has been sampled so far.

    `to_feed` are ids that the model must read before the next one is drawn.
    """

    session: CachedSession
    prompt_ids: tuple[int, ...]
    sampling: Sampling
    key: StreamKey
    future: asyncio.Future[Generation]
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    support: list[tuple[int, ...] | None] = field(default_factory=list)
    to_feed: list[int] = field(default_factory=list)
    finish: FinishReason | None = None
    _numbers: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def history(self) -> tuple[int, ...]:
        """Returns all tokens of the conversation before the first that this turn samples."""
        return (*self.session.token_ids, *self.prompt_ids) if self.session.token_ids else self.prompt_ids

    @property
    def remaining(self) -> int:
        """Returns how many tokens may still be sampled."""
        return self.sampling.max_new_tokens - len(self.tokens)

    def numbers(self, count: int) -> NDArray[np.float64]:
        """Draws the uniform numbers of the next `count` tokens."""
        first = len(self.tokens)
        missing = first + count - len(self._numbers)
        if missing > 0:
            at = self.session.sampled + len(self._numbers)
            left = max(missing, min(NUMBERS, self.sampling.max_new_tokens - len(self._numbers)))
            self._numbers = np.concatenate([self._numbers, uniforms(self.key, at, left)])
        return self._numbers[first : first + count]

    def take(self, tokens: list[int], logprobs: list[float]) -> None:
        """Appends sampled tokens; the turn is over with a stop id or at its limit."""
        self.tokens += tokens
        self.logprobs += logprobs
        if self.tokens and self.tokens[-1] in self.sampling.stop_ids:
            self.finish = FinishReason.STOP
        elif self.remaining <= 0:
            self.finish = FinishReason.LENGTH

    def begin_again(self) -> None:
        """Forgets what was sampled so far; sampled anew, it comes out the same."""
        self.tokens, self.logprobs, self.support, self.to_feed = [], [], [], []
        self.finish = None
        self._numbers = np.empty(0)

    def generation(self, version: int) -> Generation:
        """Returns the finished turn; its tokens now belong to the session."""
        if self.finish is None:
            raise ValueError("a turn that goes on has no generation")
        self.session.token_ids += [*self.prompt_ids, *self.tokens]
        self.session.sampled += len(self.tokens)
        filtered = self.sampling.top_k is not None or self.sampling.top_p is not None
        cut = filtered and any(ids is not None for ids in self.support)
        support = tuple(self.support) if cut else None
        return Generation(tuple(self.tokens), tuple(self.logprobs), self.finish, (version,) * len(self.tokens), support)
