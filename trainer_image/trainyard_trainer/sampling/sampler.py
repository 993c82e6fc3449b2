"""The engine in this process: the policy's own model decodes many conversations at once.

Place in the data's way: station 5. Token by inverse CDF from one uniform number per token, so what a conversation
samples doesn't depend on its slot or on its neighbours. Keys and values stay from turn to turn: a tool's result is
appended, the history isn't read again. What runs when follows from token counts alone, never from the clock.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.sampling.key_values import Block, gather
from trainyard_trainer.sampling.randomness import uniforms
from trainyard_trainer.seams import Generation, GenerationRequest, RolloutInterruptedError
from trainyard_trainer.trajectory import FinishReason

COMPACT_AT = 0.5
"""Share of unfinished rows at which the finished ones are taken out of the batch."""


def draw_tokens(
    logits_SV: torch.Tensor, temperature_S: torch.Tensor, uniform_S: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token per row by inverse CDF, and its log-probability.

    The cumulative sum is in float64; rounding at its end can't lead beyond the last token of non-zero mass.

    Args:
        logits_SV: next-token logits [S, V].
        temperature_S: temperatures [S], greater than 0.
        uniform_S: float64 numbers in [0, 1), [S].

    Returns:
        Token ids [S] and float32 log-probabilities [S] of the tempered distribution.
    """
    logprobs_SV = torch.log_softmax(logits_SV.float() / temperature_S[:, None], dim=-1)
    mass_SV = logprobs_SV.double().exp()
    cumulated_SV = mass_SV.cumsum(dim=-1)
    tokens_S1 = torch.searchsorted(cumulated_SV, uniform_S[:, None] * cumulated_SV[:, -1:], right=True)
    last_S1 = mass_SV.shape[-1] - 1 - (mass_SV > 0).flip(-1).int().argmax(dim=-1, keepdim=True)
    tokens_S1 = torch.minimum(tokens_S1, last_S1)
    return tokens_S1.squeeze(-1), logprobs_SV.gather(-1, tokens_S1).squeeze(-1)


class CachedSession:
    """A conversation of this engine: its row of keys and values, what they don't hold yet, tokens sampled so far."""

    def __init__(self) -> None:
        self.place: tuple[Block, int] | None = None
        self.pending: tuple[int, ...] = ()
        self.sampled = 0


@dataclass
class _Row:
    """One request while it is decoded."""

    request: GenerationRequest
    session: CachedSession
    uniforms: np.ndarray
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: FinishReason | None = None

    @staticmethod
    def of(request: GenerationRequest) -> _Row:
        session = request.session
        if not isinstance(session, CachedSession):
            raise TypeError(f"a session of another engine: {type(session).__name__}")
        limit = request.sampling.max_new_tokens
        return _Row(request, session, uniforms(request.key, session.sampled, limit))

    def take(self, token: int, logprob: float) -> None:
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if token in self.request.sampling.stop_ids:
            self.finish = FinishReason.STOP
        elif len(self.tokens) == self.request.sampling.max_new_tokens:
            self.finish = FinishReason.LENGTH

    def leave(self, block: Block, index: int) -> None:
        """Hand the conversation back to its session; the last token hasn't been read by the model yet."""
        self.session.place = (block, index)
        self.session.pending = tuple(self.tokens[-1:])
        self.session.sampled += len(self.tokens)


class InProcessEngine:
    """Decodes with the policy's model; see `seams.Engine`."""

    def __init__(self, policy: TorchPolicy) -> None:
        self._policy = policy
        # Only the last column's logits are needed; most models can leave the others out.
        keeps = "logits_to_keep" in inspect.signature(policy.model.forward).parameters
        self._forward_options: dict[str, Any] = {"logits_to_keep": 1} if keeps else {}

    def open_session(self) -> CachedSession:
        """A new, empty conversation."""
        return CachedSession()

    def generate(self, requests: Sequence[GenerationRequest], interrupted: Callable[[], bool]) -> list[Generation]:
        """One turn for each request, in their order; see `seams.Engine.generate`."""
        rows = [_Row.of(request) for request in requests]
        with torch.no_grad():  # not inference_mode: its tensors may not meet autograd later
            for batch in (
                [row for row in rows if row.session.place is None],
                [row for row in rows if row.session.place is not None],
            ):
                if batch:
                    self._decode(batch, interrupted)
        version = self._policy.version
        return [
            Generation(tuple(row.tokens), tuple(row.logprobs), row.finish or FinishReason.LENGTH, version)
            for row in rows
        ]

    def _decode(self, rows: list[_Row], interrupted: Callable[[], bool]) -> None:
        """Sample until every row has finished; all rows have keys and values already, or none has."""
        places = [row.session.place for row in rows if row.session.place is not None]
        past = gather(places) if places else None
        token_ids, mask = self._new_columns(rows)
        # Without a config every layer keeps all its columns, sliding windows too: the mask tells who sees what.
        cache = DynamicCache() if past is None else past.cache()
        mask = mask if past is None else torch.cat([past.mask, mask], dim=-1)
        while True:
            if interrupted():
                raise RolloutInterruptedError
            logits, cache = self._forward(token_ids, mask, cache)
            self._sample(rows, logits)
            active = [index for index, row in enumerate(rows) if row.finish is None]
            if not active:
                break
            if len(active) <= COMPACT_AT * len(rows):
                kept = self._part(rows, Block.of(cache, mask), active)
                rows, cache, mask = [rows[index] for index in active], kept.cache(), kept.mask
            # A finished row that is still in the batch reads a token that its mask leaves out.
            token_ids = torch.tensor([[row.tokens[-1]] for row in rows], device=self._policy.device)
            going = torch.tensor([[int(row.finish is None)] for row in rows], device=self._policy.device)
            mask = torch.cat([mask, going], dim=-1)
        block = Block.of(cache, mask)
        for index, row in enumerate(rows):
            row.leave(block, index)

    def _part(self, rows: Sequence[_Row], block: Block, active: Sequence[int]) -> Block:
        """Let finished rows leave with a block of their own; the block of the active ones."""
        finished = [index for index, row in enumerate(rows) if row.finish is not None]
        left = block.rows(finished)
        for place, index in enumerate(finished):
            rows[index].leave(left, place)
        return block.rows(active)

    def _new_columns(self, rows: Sequence[_Row]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids to read, padded on the left, and their mask; both [S, columns]."""
        fresh = [(*row.session.pending, *row.request.token_ids) for row in rows]
        columns = max(len(ids) for ids in fresh)
        pad = self._policy.pad_id
        ids = [[pad] * (columns - len(row)) + list(row) for row in fresh]
        mask = [[0] * (columns - len(row)) + [1] * len(row) for row in fresh]
        device = self._policy.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _forward(self, token_ids: torch.Tensor, mask: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
        """Read the new columns; logits after the last one [S, V], and the grown cache."""
        positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)[:, -token_ids.shape[1] :]
        output = self._policy.model(
            input_ids=token_ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            **self._forward_options,
        )
        return output.logits[:, -1], output.past_key_values

    def _sample(self, rows: Sequence[_Row], logits: torch.Tensor) -> None:
        device = self._policy.device
        temperatures = torch.tensor([row.request.sampling.temperature for row in rows], device=device)
        # A finished row draws again and throws the token away.
        numbers = [row.uniforms[min(len(row.tokens), len(row.uniforms) - 1)] for row in rows]
        draws = torch.tensor(np.array(numbers), dtype=torch.float64, device=device)
        tokens, logprobs = draw_tokens(logits, temperatures, draws)
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            if row.finish is None:
                row.take(token, logprob)
