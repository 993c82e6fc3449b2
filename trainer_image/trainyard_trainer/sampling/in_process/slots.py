"""Slots: the rows of one decoding batch, with everything that a step needs laid out beforehand.

Place in the data's way: station 5, below the slot decoder. A layout lasts for some steps: which tokens are forced,
which uniform number each draw takes and at which step each row reaches its limit stand in arrays, so that a step costs
no work by the row. Rows that have ended stay until the next layout; what they still draw isn't used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trainyard_trainer.sampling.in_process.cache import CacheRows
from trainyard_trainer.sampling.in_process.drawing import Filters, draw_tokens
from trainyard_trainer.sampling.in_process.reading import CachedModel, ragged_mask
from trainyard_trainer.sampling.in_process.turns import OpenTurn
from trainyard_trainer.trajectory import Sampling

HORIZON = 128
"""Most steps that are laid out at a time."""


@dataclass(frozen=True, slots=True)
class DrawingRules:
    """Says how rows draw: temperatures [S], None where all are 1; filters; which ids end a row's turn [kinds, V]."""

    temperature: torch.Tensor | None
    filters: Filters | None
    stops: np.ndarray[Any, Any]
    kind: np.ndarray[Any, Any]

    @staticmethod
    def of(samplings: Sequence[Sampling], vocabulary: int, device: torch.device) -> DrawingRules:
        """Makes the rules of rows that draw in these ways."""
        temperatures = [sampling.temperature for sampling in samplings]
        plain = all(temperature == 1.0 for temperature in temperatures)
        kinds = list(dict.fromkeys(sampling.stop_ids for sampling in samplings))
        stops = np.zeros((len(kinds), vocabulary), dtype=bool)
        for kind, ids in enumerate(kinds):
            stops[kind, [stop for stop in ids if stop < vocabulary]] = True
        return DrawingRules(
            temperature=None if plain else torch.tensor(temperatures, dtype=torch.float32, device=device),
            filters=Filters.of(
                [sampling.top_k for sampling in samplings],
                [sampling.top_p for sampling in samplings],
                vocabulary,
                device,
            ),
            stops=stops,
            kind=np.array([kinds.index(sampling.stop_ids) for sampling in samplings]),
        )


class Slots:
    """Decodes a batch of turns with its cache.

    Args:
        model: reads.
        turns: one per row, each with at least one token `to_feed`.
        rows: their caches, in the same order.
        vocabulary: number of logits.
    """

    def __init__(self, model: CachedModel, turns: Sequence[OpenTurn], rows: CacheRows, vocabulary: int) -> None:
        self._model = model
        self.turns = list(turns)
        self._vocabulary = vocabulary
        self._cache = rows.cache()
        self._rules = DrawingRules.of([turn.sampling for turn in turns], vocabulary, model.device)
        self.live = np.array([turn.finish is None for turn in turns])
        self._ended_at = np.zeros(len(turns), dtype=np.int64)
        self._lay_out(rows.lengths, rows.total)

    def _lay_out(self, lengths: Sequence[int], total: int) -> None:
        """Prepares the arrays of the next steps, behind caches of `lengths`."""
        device = self._model.device
        self.step = 0
        self._ended_at[:] = 0
        self._lengths, self._total = list(lengths), total
        self._start = np.array([len(turn.to_feed) - 1 for turn in self.turns])
        self._last = self._start + np.array([turn.remaining for turn in self.turns]) - 1
        self.horizon = int(min(HORIZON, self._last[self.live].max(initial=0) + 1))
        shape = (self.horizon, len(self.turns))
        uniform, forced = np.zeros(shape), np.zeros(shape, dtype=np.int64)
        for row in np.flatnonzero(self.live):
            turn = self.turns[row]
            first = int(self._start[row])
            if first < self.horizon:
                count = min(self.horizon - first, turn.remaining)
                uniform[first : first + count, row] = turn.numbers(count)
            feed = turn.to_feed[: self.horizon]
            forced[: len(feed), row] = feed
        self._uniform = torch.from_numpy(uniform).to(device)
        # At step 0 every row is fed; later, rows that still have a tool's result to read.
        feeding = int(self._start[self.live].max(initial=0)) + 1
        self._forced = torch.from_numpy(forced[:feeding]).to(device)
        steps = np.arange(min(feeding, self.horizon))[:, None]
        self._is_forced = torch.from_numpy(steps <= self._start).to(device)
        self._tokens, self._logprobs = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        self._mask = ragged_mask(lengths, total, self.horizon, device)
        self._positions = torch.tensor(lengths, device=device)[:, None]
        self._sampled = self._forced[0]

    def advance(self) -> list[int]:
        """Runs one forward for all rows and returns the rows whose turns ended with it."""
        step = self.step
        ids = self._sampled
        if step < len(self._forced):
            ids = torch.where(self._is_forced[step], self._forced[step], ids)
        columns = self._total + step + 1
        mask = None if self._mask is None else self._mask[:, :columns]
        logits = self._model.forward(ids[:, None], mask, self._positions, self._cache)
        drawn = draw_tokens(logits, self._uniform[step], self._rules.temperature, self._rules.filters)
        self._positions = self._positions + 1
        self._sampled = drawn.tokens
        found = torch.stack([drawn.tokens.double(), drawn.logprobs]).cpu().numpy()
        tokens = found[0].astype(np.int64)
        self._tokens[step], self._logprobs[step] = tokens, found[1]
        self.step += 1
        sampling = self.live & (step >= self._start)
        if drawn.kept is not None:
            for row in np.flatnonzero(sampling).tolist():
                self.turns[row].support.append(drawn.support(row))
        ended = sampling & (self._rules.stops[self._rules.kind, tokens] | (step >= self._last))
        rows: list[int] = np.flatnonzero(ended).tolist()
        for row in rows:
            self._flush(row)
            self.live[row] = False
            self._ended_at[row] = self.step
        if self.step == self.horizon and self.live.any():
            self._go_on()
        return rows

    def drop(self, row: int) -> None:
        """Ends a row that nobody waits for any more."""
        self.live[row] = False
        self._ended_at[row] = self.step

    def flush(self) -> None:
        """Writes what the running turns have sampled into them."""
        for row in np.flatnonzero(self.live):
            self._flush(int(row))

    def rows(self, chosen: Sequence[int]) -> CacheRows:
        """Copies the caches of rows that are live, or that all ended at the same step."""
        ended = {int(self._ended_at[row]) if not self.live[row] else self.step for row in chosen}
        (at,) = ended
        lengths = [length + at for length in self._lengths]
        return CacheRows.of(self._cache, lengths, self._total + self.step).take(chosen, trim=self.step - at)

    def ended_at(self, row: int) -> int:
        """Returns the step after which a row that isn't live ended."""
        return int(self._ended_at[row])

    def _flush(self, row: int) -> None:
        turn, start = self.turns[row], int(self._start[row])
        if self.step <= start:
            turn.to_feed = turn.to_feed[self.step :]
            return
        turn.take(self._tokens[start : self.step, row].tolist(), self._logprobs[start : self.step, row].tolist())
        turn.to_feed = turn.tokens[-1:]

    def _go_on(self) -> None:
        """Lays out further steps for the same rows and the same cache."""
        self.flush()
        ended = ~self.live
        lengths = [length + self.step for length in self._lengths]
        ago = self.step - self._ended_at
        for row in np.flatnonzero(ended):
            self.turns[row].to_feed = [0]
        self._lay_out(lengths, self._total + self.step)
        # Steps before this layout count as negative ones.
        self._ended_at[ended] = -ago[ended]
