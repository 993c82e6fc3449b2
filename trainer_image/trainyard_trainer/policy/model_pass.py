"""Passes the model over a micro-batch: log-probabilities of its trained tokens, with their gradient.

Place in the data's way: station 8. Right-padded rows need no positions of their own: what comes before a token is all
that it sees. Temperature and the filters' support are those that the tokens were sampled with.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from trainyard_trainer.policy.batches import MicroBatch
from trainyard_trainer.policy.logprobs.head import Head
from trainyard_trainer.policy.logprobs.token_logprobs import Support

Scores = tuple[torch.Tensor, torch.Tensor]
"""Log-probabilities [N], with their gradient, and entropies [N], without."""


def by_hidden_states(backbone: Callable[..., Any], head: Head, batch: MicroBatch, temperature: float) -> Scores:
    """Scores from hidden states at the trained positions; logits never exist as a whole."""
    output = backbone(input_ids=batch.token_ids, attention_mask=batch.attention, use_cache=False)
    hidden_NH = output.last_hidden_state.flatten(0, 1)[batch.positions]
    return head.logprobs(hidden_NH, batch.targets, temperature=temperature, support=batch.support)


def by_full_logits(model: Any, batch: MicroBatch, temperature: float) -> Scores:
    """Scores from the model's own logits, a row at a time; each row's are computed again in the backward pass."""
    columns = batch.token_ids.shape[1]

    def logits(index: int) -> torch.Tensor:
        row = slice(index, index + 1)
        output = model(input_ids=batch.token_ids[row], attention_mask=batch.attention[row], use_cache=False)
        return output.logits[0]

    def score(index: int, first: int, last: int) -> Scores:
        places_n = batch.positions[first:last] - index * columns
        logits_nV = logits(index)[places_n]
        wide_nV = logits_nV if logits_nV.dtype == torch.float64 else logits_nV.float()
        logprobs_nV = torch.log_softmax(_kept(wide_nV / temperature, batch.support, first), dim=-1)
        taken_n = logprobs_nV.gather(-1, batch.targets[first:last, None]).squeeze(-1)
        detached_nV = logprobs_nV.detach()
        return taken_n, -(detached_nV.exp() * detached_nV).nan_to_num(0.0).sum(dim=-1)

    rows = batch.positions // columns
    bounds = torch.searchsorted(rows, torch.arange(len(batch.token_ids) + 1, device=rows.device)).tolist()
    parts = [
        checkpoint(score, index, first, last, use_reentrant=False, preserve_rng_state=False)
        for index, (first, last) in enumerate(pairwise(bounds))
        if last > first
    ]
    logprobs_N = torch.cat([part[0] for part in parts])
    return logprobs_N, torch.cat([part[1] for part in parts])


def _kept(logits_nV: torch.Tensor, support: Support | None, first: int) -> torch.Tensor:
    """Sets the logits of tokens `first` and on to minus infinity outside of a token's support."""
    if support is None:
        return logits_nV
    ends = support.lengths.cumsum(0).tolist()
    masked_nV = logits_nV.clone()
    for number, position in enumerate(support.positions.tolist()):
        if first <= position < first + len(logits_nV):
            ids = support.ids[ends[number] - int(support.lengths[number]) : ends[number]]
            outside_V = torch.ones(logits_nV.shape[-1], dtype=torch.bool, device=logits_nV.device)
            outside_V[ids] = False
            masked_nV[position - first] = masked_nV[position - first].masked_fill(outside_V, -torch.inf)
    return masked_nV
