"""The engine in this process: many conversations ask for turns, and a decoder samples them together.

Place in the data's way: station 5. It goes on only when every open conversation has asked or was closed, at
points that token counts decide, never the clock; in between, environments run. It knows no model: decoders do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch

from trainyard_trainer.errors import DroppedError
from trainyard_trainer.memory import OutOfMemoryError, pass_edge
from trainyard_trainer.randomness import StreamKey
from trainyard_trainer.sampling.engine import Generation, Session
from trainyard_trainer.sampling.in_process.reading import SampledPolicy
from trainyard_trainer.sampling.in_process.slot_count import too_little_memory
from trainyard_trainer.sampling.in_process.turns import CachedSession, OpenTurn
from trainyard_trainer.stop import StopRequest
from trainyard_trainer.trajectory import Sampling

STOP_POLL_SECONDS = 0.2
"""How often a stop is looked for while environments keep the engine waiting."""
log = logging.getLogger(__name__)


class Decoder(Protocol):
    """Samples turns together."""

    @property
    def active(self) -> int:
        """Counts the turns that are being sampled."""

    @property
    def due(self) -> bool:
        """Says whether it wants all conversations' requests before it goes on; always true with nothing to sample."""

    def admit(self, turns: Sequence[OpenTurn]) -> list[OpenTurn]:
        """Begins these turns, in this order, and returns those that must wait."""

    def advance(self) -> list[OpenTurn]:
        """Samples on, by one pass of the model at most, and returns the turns that ended."""

    def release(self, session: CachedSession) -> None:
        """Forgets a conversation."""

    def reset(self) -> None:
        """Forgets everything."""

    def shrink(self) -> bool:
        """Samples fewer at a time from now on; returns False where it can't be fewer."""


class InProcessEngine:
    """Decodes with the policy's own model; see `sampling.engine.Engine`.

    Args:
        policy: its model is put in eval mode, and its version goes into generations.
        stop: asked before every pass.
        decoder: samples.
    """

    def __init__(self, policy: SampledPolicy, stop: StopRequest, decoder: Decoder) -> None:
        self._policy = policy
        self._stop = stop
        self._decoder = decoder
        self._opened = 0
        self._open: dict[CachedSession, None] = {}
        self._asked: dict[CachedSession, OpenTurn] = {}
        self._going: dict[CachedSession, OpenTurn] = {}
        self._pump: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    def open_session(self) -> CachedSession:
        """Opens a new, empty conversation; the engine waits for it until it asks or is closed."""
        session = CachedSession(self._opened)
        self._opened += 1
        self._open[session] = None
        return session

    def close_session(self, session: Session) -> None:
        """Ends the conversation; may be called again."""
        if not isinstance(session, CachedSession) or session not in self._open:
            return
        del self._open[session]
        self._asked.pop(session, None)
        self._going.pop(session, None)
        self._decoder.release(session)
        self._changed.set()

    async def generate(
        self, session: Session, prompt_ids: Sequence[int], sampling: Sampling, key: StreamKey
    ) -> Generation:
        """Samples one turn; see `sampling.engine.Engine.generate`.

        Raises:
            TypeError: the session is another engine's.
            ValueError: the session is closed, nothing was appended, or no token may be sampled.
        """
        if not isinstance(session, CachedSession):
            raise TypeError(f"a session of another engine: {type(session).__name__}")
        if self._stop.requested():
            raise DroppedError
        if session.lost is not None:
            raise RuntimeError("the engine failed in this conversation") from session.lost
        if session not in self._open or session in self._asked or session in self._going:
            raise ValueError("a session that is closed, or has asked already")
        if not prompt_ids or sampling.max_new_tokens < 1:
            raise ValueError("a turn needs at least one token to begin with and one to sample")
        future: asyncio.Future[Generation] = asyncio.get_running_loop().create_future()
        self._asked[session] = OpenTurn(session, tuple(prompt_ids), sampling, key, future)
        self._wake()
        try:
            return await future
        except asyncio.CancelledError:
            self.close_session(session)
            raise

    def _wake(self) -> None:
        if self._pump is None or self._pump.done():
            self._changed = asyncio.Event()
            self._pump = asyncio.get_running_loop().create_task(self._run())
        self._changed.set()

    async def _run(self) -> None:
        """Samples until no conversation is open; an error reaches everybody who waits."""
        try:
            while await self._gathered():
                for turn in self._within_memory(self._decoder.advance) or ():
                    self._answer(turn)
                await asyncio.sleep(0)
            self._decoder.reset()
        except asyncio.CancelledError:
            self._give_up(None)
            raise
        except Exception as error:  # noqa: BLE001 (it isn't lost: those who wait raise it)
            self._give_up(error)

    async def _gathered(self) -> bool:
        """Waits for every conversation where the decoder is due; returns False if there is nothing left to do."""
        self._heed_stop()
        if not self._decoder.due:
            return True
        while len(self._open) > len(self._asked) + self._decoder.active:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), STOP_POLL_SECONDS)
            except TimeoutError:
                self._heed_stop()
        if not self._asked and not self._decoder.active:
            return False
        asked = sorted(self._asked.values(), key=lambda turn: turn.session.number)
        self._policy.model.eval()
        waiting = self._within_memory(partial(self._decoder.admit, asked))
        if waiting is None:
            return await self._gathered()
        going, self._asked = self._asked, {turn.session: turn for turn in waiting}
        self._going |= {session: turn for session, turn in going.items() if session not in self._asked}
        return True

    def _within_memory(self, work: Callable[[], list[OpenTurn]]) -> list[OpenTurn] | None:
        """Returns the turns that the work gives; None where memory ran out, and then all turns start again.

        Raises:
            RefusedError: INVALID_MANIFEST; it can't sample fewer at a time.
        """
        try:
            # Not inference_mode: its tensors may not meet autograd later.
            with torch.no_grad(), pass_edge():
                return work()
        except OutOfMemoryError as error:
            log.warning("sampling ran out of memory: %s", error)
        # Outside of the handler, where the failed pass's tensors are no longer held by the error.
        self._begin_again()
        return None

    def _begin_again(self) -> None:
        """Restarts all turns, fewer at a time; conversations are read anew."""
        self._decoder.reset()
        for session in self._open:
            session.leave()
        self._asked, self._going = self._going | self._asked, {}
        for turn in self._asked.values():
            turn.begin_again()
        device = self._policy.device
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if not self._decoder.shrink():
            longest = max(len(turn.history) + turn.sampling.max_new_tokens for turn in self._asked.values())
            raise too_little_memory(self._policy, f"{longest} tokens ran out of it")

    def _answer(self, turn: OpenTurn) -> None:
        self._going.pop(turn.session, None)
        generation = turn.generation(self._policy.version)
        if not turn.future.done():
            turn.future.set_result(generation)

    def _heed_stop(self) -> None:
        if self._stop.requested():
            raise DroppedError

    def _give_up(self, error: Exception | None) -> None:
        """Fails everybody who waits; conversations that were begun can't go on."""
        for turn in (*self._asked.values(), *self._going.values()):
            if turn.future.done():
                continue
            if error is None:
                turn.future.cancel()
            else:
                turn.future.set_exception(error)
        for session in self._open:
            session.lost = error or asyncio.CancelledError()
        self._asked, self._going = {}, {}
        self._decoder.reset()
