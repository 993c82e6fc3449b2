"""Whole-batch generation: the fallback for models whose caches can't be cut into rows.

Place in the data's way: station 5. Conversations of equal length are read together from their beginning, without
padding, and go on in step until all of them have ended. Slower than slots, and right for whatever runs left to right.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch

from trainyard_trainer.sampling.in_process.drawing import draw_tokens
from trainyard_trainer.sampling.in_process.reading import PASS_TOKENS, SampledPolicy
from trainyard_trainer.sampling.in_process.slots import DrawingRules
from trainyard_trainer.sampling.in_process.turns import CachedSession, OpenTurn

CACHES = ("past_key_values", "cache_params")
"""Names by which transformers' models take and give what they have read."""


class WholeBatchDecoder:
    """Decodes groups of equally long conversations whole; see `sampler.Decoder`.

    Args:
        policy: whose model samples.
        cached: let the model keep what it has read within a turn; else everything is read anew for every token.
    """

    def __init__(self, policy: SampledPolicy, *, cached: bool) -> None:
        self._policy = policy
        model = policy.model
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        parameters = inspect.signature(base.forward).parameters
        self._cache_name = next((name for name in CACHES if cached and name in parameters), None)
        self._options: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in parameters else {}
        self._groups: list[_Group] = []

    @property
    def active(self) -> int:
        """Counts the turns that are being sampled."""
        return sum(turn.finish is None and turn.session.seated for group in self._groups for turn in group.turns)

    @property
    def due(self) -> bool:
        """Says whether all groups have ended."""
        return not self.active

    def admit(self, turns: Sequence[OpenTurn]) -> list[OpenTurn]:
        """Puts conversations of equal length together; all find a place."""
        self._groups = []
        lengths = {turn: len(turn.session.token_ids) + len(turn.prompt_ids) for turn in turns}
        for length, equal in groupby(sorted(turns, key=lambda turn: lengths[turn]), key=lambda turn: lengths[turn]):
            found = list(equal)
            size = max(1, PASS_TOKENS // length)
            self._groups += [
                _Group(found[first : first + size], self._policy.device) for first in range(0, len(found), size)
            ]
        for turn in turns:
            turn.session.seated = True
        return []

    def advance(self) -> list[OpenTurn]:
        """Samples one token for each conversation of the group whose turn it is."""
        group = next(group for group in self._groups if group.goes_on)
        return group.advance(self._read(group))

    def release(self, session: CachedSession) -> None:
        """Forgets a conversation."""
        session.leave()

    def reset(self) -> None:
        """Forgets everything."""
        self._groups = []

    def shrink(self) -> bool:
        """Returns False: there are no slots to have fewer of."""
        return False

    def _read(self, group: _Group) -> torch.Tensor:
        """Returns the logits after the last token of each row [S, V]."""
        if self._cache_name is None:
            return self._policy.model(input_ids=group.token_ids, use_cache=False, **self._options).logits[:, -1]
        past = {} if group.cache is None else {self._cache_name: group.cache}
        ids = group.token_ids if group.cache is None else group.token_ids[:, -1:]
        output = self._policy.model(input_ids=ids, use_cache=True, **past, **self._options)
        group.cache = getattr(output, self._cache_name)
        return output.logits[:, -1]


class _Group:
    """Turns of equally long conversations; those that have ended stay until all have."""

    def __init__(self, turns: Sequence[OpenTurn], device: torch.device) -> None:
        self.turns = turns
        self.cache: Any = None
        self.token_ids = torch.tensor([[*turn.session.token_ids, *turn.prompt_ids] for turn in turns], device=device)
        self._rules: DrawingRules | None = None

    @property
    def goes_on(self) -> bool:
        return any(turn.finish is None and turn.session.seated for turn in self.turns)

    def advance(self, logits: torch.Tensor) -> list[OpenTurn]:
        """Draws a token for every row and returns the turns that ended with it."""
        if self._rules is None:
            self._rules = DrawingRules.of([turn.sampling for turn in self.turns], logits.shape[-1], logits.device)
        numbers = [turn.numbers(1)[0] if turn.finish is None else 0.0 for turn in self.turns]
        uniform = torch.tensor(numbers, dtype=torch.float64, device=logits.device)
        drawn = draw_tokens(logits, uniform, self._rules.temperature, self._rules.filters)
        self.token_ids = torch.cat([self.token_ids, drawn.tokens[:, None]], dim=-1)
        ended: list[OpenTurn] = []
        found = zip(self.turns, drawn.tokens.tolist(), drawn.logprobs.tolist(), strict=True)
        for row, (turn, token, logprob) in enumerate(found):
            if turn.finish is None and turn.session.seated:
                turn.support.append(drawn.support(row))
                turn.take([token], [logprob])
                ended += [turn] if turn.finish is not None else []
        return ended
