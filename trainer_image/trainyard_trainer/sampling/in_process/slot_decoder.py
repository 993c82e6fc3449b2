"""The slot decoder: conversations share prompts, take a free slot when one ends, and come back with a tool's result.

Place in the data's way: station 5, between the engine, which says what is asked for, and the slots, which decode. What
joins and leaves the batch, and when, follows from token counts alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch

from trainyard_trainer.sampling.in_process.cache import CacheRows, join
from trainyard_trainer.sampling.in_process.drawing import draw_tokens
from trainyard_trainer.sampling.in_process.reading import PASS_TOKENS, CachedModel, ReadTokens
from trainyard_trainer.sampling.in_process.slot_count import SLOTS
from trainyard_trainer.sampling.in_process.slots import DrawingRules, Slots
from trainyard_trainer.sampling.in_process.turns import CachedSession, OpenTurn

WASTE = 0.5
"""Steps times rows that may pass through ended rows, as a share of all rows, before the batch is put together anew."""
CHUNK = 5
"""So many tokens behind a history, or more, are read in a pass of their own, not one by one beside others' decoding."""
LENGTHS = 4
"""Where there are more different lengths than this, passes read multiples of `EVEN`, and the rest comes one by one."""
EVEN = 8
log = logging.getLogger(__name__)


class SlotDecoder:
    """Decodes in slots; see `sampler.Decoder`.

    Args:
        model: reads.
        slots: conversations that are decoded at a time, further ones wait for a slot; None for as many as the policy
            says.
        chunks: whether tokens behind a history may be read in passes of their own.
    """

    def __init__(self, model: CachedModel, slots: int | None = SLOTS, *, chunks: bool = True) -> None:
        self._model = model
        self._slots = slots
        self._chunks = chunks
        self._batch: Slots | None = None
        self._vocabulary = 0
        self._waste = 0
        self._at_once: list[OpenTurn] = []
        self._prompts: dict[tuple[int, ...], tuple[ReadTokens, int]] = {}

    @property
    def slots(self) -> int:
        """Returns how many conversations are decoded at a time."""
        return self._slots or self._model.policy.slots or SLOTS

    @property
    def active(self) -> int:
        """Counts the turns that are being sampled."""
        live = 0 if self._batch is None else int(self._batch.live.sum())
        return live + len(self._at_once)

    @property
    def due(self) -> bool:
        """Says whether the batch should be put together anew before the next step."""
        if self._at_once:
            return False
        return not self.active or (self._batch is not None and self._waste > WASTE * len(self._batch.turns))

    def admit(self, turns: Sequence[OpenTurn]) -> list[OpenTurn]:
        """Puts running turns and then these into a new batch; returns those for which there is no slot."""
        back = [turn for turn in turns if turn.session.seated]
        new = [turn for turn in turns if not turn.session.seated]
        running = [] if self._batch is None else np.flatnonzero(self._batch.live).tolist()
        free = max(0, self.slots - len(running) - len(back))
        new, waiting = new[:free], new[free:]
        self._waste = 0
        if self._batch is not None and not back and not new and len(running) == len(self._batch.turns):
            return waiting
        joining = self._going_on(running)
        joining += self._returning(back)
        joining += self._beginning(new, {turn.history for turn in waiting})
        if joining:
            seated = [turn for part, _ in joining for turn in part]
            self._batch = Slots(self._model, seated, join([rows for _, rows in joining]), self._vocabulary)
            for row, turn in enumerate(seated):
                turn.session.row = row
            ended = [row for row, turn in enumerate(seated) if turn.finish is not None]
            self._at_once = [seated[row] for row in ended]
            self._park(ended)
        return waiting

    def advance(self) -> list[OpenTurn]:
        """Samples one token for every running turn and returns the turns that ended with it."""
        if self._at_once:
            ended, self._at_once = self._at_once, []
            return ended
        if self._batch is None:
            raise ValueError("nothing is being sampled")
        rows = self._batch.advance()
        self._waste += len(self._batch.turns) - int(self._batch.live.sum())
        self._park(rows)
        return [self._batch.turns[row] for row in rows]

    def release(self, session: CachedSession) -> None:
        """Forgets a conversation."""
        if self._batch is not None and session.row is not None:
            self._batch.drop(session.row)
        session.leave()
        self._at_once = [turn for turn in self._at_once if turn.session is not session]

    def reset(self) -> None:
        """Forgets everything."""
        self._batch, self._waste, self._at_once = None, 0, []
        self._prompts.clear()

    def shrink(self) -> bool:
        """Halves the slots from now on; returns False where there is only one."""
        fewer = self.slots // 2
        if not fewer:
            return False
        if self._slots is None:
            self._model.policy.slots = fewer
        else:
            self._slots = fewer
        log.warning("from now on %d conversations are decoded at a time", fewer)
        return True

    def _park(self, rows: list[int]) -> None:
        """Copies rows that ended just now, where reading on would lose them."""
        if not rows or self._batch is None or not self._model.forgetful:
            return
        block = self._batch.rows(rows)
        for place, row in enumerate(rows):
            self._batch.turns[row].session.place = (block, place)

    def _going_on(self, running: list[int]) -> list[tuple[list[OpenTurn], CacheRows]]:
        """Takes the rows of running turns; drops the batch where nothing else is read from it, to save its memory."""
        if self._batch is None:
            return []
        joining = []
        if running:
            self._batch.flush()
            joining.append(([self._batch.turns[row] for row in running], self._batch.rows(running)))
        if self._model.forgetful:
            self._batch = None
        return joining

    def _returning(self, turns: Sequence[OpenTurn]) -> list[tuple[list[OpenTurn], CacheRows]]:
        """Lets known conversations read what came in; all are fetched before the first reads on, so that the batch can
        be dropped.
        """
        for turn in turns:
            turn.to_feed = [turn.session.token_ids[-1], *turn.prompt_ids]
        lengths = {len(turn.to_feed) for turn in turns if len(turn.to_feed) >= CHUNK}
        even = 1 if len(lengths) <= LENGTHS else EVEN

        def at_once(turn: OpenTurn) -> int:
            """Says how many tokens one pass reads of what a conversation has to read."""
            count = len(turn.to_feed)
            return count // even * even if self._chunks and count >= CHUNK else 0

        joining = self._fetched([turn for turn in turns if not at_once(turn)])
        reading: list[tuple[int, list[tuple[list[OpenTurn], CacheRows]]]] = []
        long = sorted((turn for turn in turns if at_once(turn)), key=lambda turn: (at_once(turn), turn.session.number))
        for count, equal in groupby(long, key=at_once):
            together = list(equal)
            size = max(1, PASS_TOKENS // count)
            parts = [together[first : first + size] for first in range(0, len(together), size)]
            reading += [(count, self._fetched(part)) for part in parts]
        self._batch = None
        while reading:
            count, fetched = reading.pop(0)
            joining.append(self._read_on(fetched, count))
        return joining

    def _read_on(
        self, parts: Sequence[tuple[list[OpenTurn], CacheRows]], count: int
    ) -> tuple[list[OpenTurn], CacheRows]:
        """Lets conversations read `count` tokens in one pass; those with no more to read draw their first token."""
        turns = [turn for part, _ in parts for turn in part]
        read = self._model.read_on(join([rows for _, rows in parts]), [turn.to_feed[:count] for turn in turns])
        ready = [row for row, turn in enumerate(turns) if len(turn.to_feed) == count]
        for turn in turns:
            turn.to_feed = turn.to_feed[count:]
        if ready:
            logits = read.logits[torch.tensor(ready, device=read.logits.device)]
            self._draw_first([turns[row] for row in ready], logits)
        return turns, read.rows

    def _fetched(self, turns: Sequence[OpenTurn]) -> list[tuple[list[OpenTurn], CacheRows]]:
        """Fetches the caches of known conversations, from where they were set aside or from the batch, by when they
        ended.
        """
        aside: dict[int, list[OpenTurn]] = {}
        ended: dict[int, list[OpenTurn]] = {}
        for turn in turns:
            if turn.session.place is not None:
                aside.setdefault(id(turn.session.place[0]), []).append(turn)
            elif self._batch is not None and turn.session.row is not None:
                ended.setdefault(self._batch.ended_at(turn.session.row), []).append(turn)
        found: list[tuple[list[OpenTurn], CacheRows]] = []
        for group in aside.values():
            places = [turn.session.place for turn in group if turn.session.place is not None]
            found.append((group, places[0][0].take([row for _, row in places])))
        for group in ended.values():
            rows = [turn.session.row for turn in group if turn.session.row is not None]
            if self._batch is not None:
                found.append((group, self._batch.rows(rows)))
        for turn in turns:
            turn.session.place = None
        return found

    def _beginning(
        self, turns: Sequence[OpenTurn], wanted: set[tuple[int, ...]]
    ) -> list[tuple[list[OpenTurn], CacheRows]]:
        """Reads new conversations, and known ones that lost their cache, each prompt once; keeps the `wanted` prompts
        for later.
        """
        fresh = list(dict.fromkeys(turn.history for turn in turns if turn.history not in self._prompts))
        for chosen, read in self._model.read_prompts(fresh):
            self._prompts |= {fresh[index]: (read, row) for row, index in enumerate(chosen)}
        groups: dict[int, list[OpenTurn]] = {}
        for turn in turns:
            turn.session.seated = True
            groups.setdefault(id(self._prompts[turn.history][0]), []).append(turn)
        joining: list[tuple[list[OpenTurn], CacheRows]] = []
        for group in groups.values():
            read = self._prompts[group[0].history][0]
            rows = [self._prompts[turn.history][1] for turn in group]
            self._draw_first(group, read.logits[torch.tensor(rows, device=read.logits.device)])
            joining.append((group, read.rows.take(rows)))
        self._prompts = {ids: place for ids, place in self._prompts.items() if ids in wanted}
        return joining

    def _draw_first(self, turns: Sequence[OpenTurn], logits: torch.Tensor) -> None:
        """Draws the first token of each turn from the logits that reading its prompt left."""
        self._vocabulary = logits.shape[-1]
        rules = DrawingRules.of([turn.sampling for turn in turns], self._vocabulary, logits.device)
        uniform = torch.tensor([turn.numbers(1)[0] for turn in turns], dtype=torch.float64, device=logits.device)
        drawn = draw_tokens(logits, uniform, rules.temperature, rules.filters)
        for row, (turn, token, logprob) in enumerate(
            zip(turns, drawn.tokens.tolist(), drawn.logprobs.tolist(), strict=True)
        ):
            if drawn.kept is not None:
                turn.support.append(drawn.support(row))
            turn.take([token], [logprob])
            turn.to_feed = [token]
