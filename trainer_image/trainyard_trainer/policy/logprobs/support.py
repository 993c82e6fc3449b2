"""Computes log-probabilities over what top-k or top-p left of the vocabulary at each position.

Place in the data's way: station 8, behind `token_logprobs`, which checks what comes in here. A sampler that cut its
distribution renormalised it; training over the whole vocabulary would see other probabilities than those that were
drawn from, off by the log of the mass that was kept. So the weight's rows of the kept ids are gathered, in chunks, and
the rest of the vocabulary isn't touched. Tensor names: K positions, M kept ids of all of them, one after the other; C a
chunk of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from trainyard_trainer.policy.logprobs.logit_rule import LogitRule, compute_dtype

CHUNK_ELEMENTS = 4_194_304
"""Numbers in one gathered chunk [C, H]: 16 MiB in float32, twice that while it is multiplied."""


class SupportLogprobs(torch.autograd.Function):
    """(hidden [K, H], weight [V, H], bias [V] or None, target places [K], kept ids [M], lengths [K], rule) ->
    (log-probabilities [K], entropies [K] over the kept ids, without gradient).

    A target's place is its index into the kept ids. On CUDA the weight's gradient is summed in one order only under
    `torch.use_deterministic_algorithms`; on a CPU always.
    """

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd hands arguments on by position
        ctx: Any,
        hidden_KH: torch.Tensor,
        weight_VH: torch.Tensor,
        bias_V: torch.Tensor | None,
        places_K: torch.Tensor,
        ids_M: torch.Tensor,
        lengths_K: torch.Tensor,
        rule: LogitRule,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes the logits of the kept ids alone, and their log-softmax position by position."""
        ctx.set_materialize_grads(False)
        rows_M = torch.repeat_interleave(torch.arange(len(lengths_K), device=ids_M.device), lengths_K)
        logits_M = _logits(hidden_KH, weight_VH, bias_V, ids_M=ids_M, rows_M=rows_M, rule=rule)
        tops_K = torch.segment_reduce(logits_M, "max", lengths=lengths_K)
        shifted_M = logits_M - tops_K[rows_M]
        logs_K = torch.segment_reduce(shifted_M.exp(), "sum", lengths=lengths_K).log()
        logprobs_M = shifted_M - logs_K[rows_M]
        entropies_K = -torch.segment_reduce(logprobs_M.exp() * logprobs_M, "sum", lengths=lengths_K)
        ctx.rule = rule
        ctx.save_for_backward(hidden_KH, weight_VH, bias_V, places_K, ids_M, rows_M, logits_M, logprobs_M)
        ctx.mark_non_differentiable(entropies_K)
        return logprobs_M[places_K], entropies_K

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grads_K: torch.Tensor | None, _entropies: None) -> tuple[torch.Tensor | None, ...]:
        """Gives the kept ids' logits ([is the target] - probability) x gradient, and every other id none."""
        if grads_K is None:
            return (None,) * 7
        hidden_KH, weight_VH, bias_V, places_K, ids_M, rows_M, logits_M, logprobs_M = ctx.saved_tensors
        errors_M = logprobs_M.exp().neg_()
        errors_M[places_K] += 1.0
        d_logits_M = errors_M * (grads_K.to(errors_M.dtype) * ctx.rule.outer)[rows_M]
        if ctx.rule.softcap is not None:
            d_logits_M *= 1.0 - (logits_M / ctx.rule.outer).square()
        d_dots_M = d_logits_M * (ctx.rule.inner * ctx.rule.scale)
        needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        d_hidden_KH = torch.zeros_like(hidden_KH, dtype=errors_M.dtype) if needs_hidden else None
        d_weight_VH = torch.zeros_like(weight_VH, dtype=errors_M.dtype) if needs_weight else None
        for at in _chunks(len(ids_M), hidden_KH.shape[1]):
            ids_C, rows_C, d_dots_C1 = ids_M[at], rows_M[at], d_dots_M[at].unsqueeze(1)
            if d_hidden_KH is not None:
                d_hidden_KH.index_add_(0, rows_C, weight_VH[ids_C].to(errors_M.dtype).mul_(d_dots_C1))
            if d_weight_VH is not None:
                d_weight_VH.index_add_(0, ids_C, hidden_KH[rows_C].to(errors_M.dtype).mul_(d_dots_C1))
        d_bias_V = None
        if bias_V is not None and needs_bias:
            d_bias_V = torch.zeros_like(bias_V, dtype=errors_M.dtype)
            d_bias_V = d_bias_V.index_add_(0, ids_M, d_logits_M * ctx.rule.inner).to(bias_V.dtype)
        return (
            None if d_hidden_KH is None else d_hidden_KH.to(hidden_KH.dtype),
            None if d_weight_VH is None else d_weight_VH.to(weight_VH.dtype),
            d_bias_V,
            *(None,) * 4,
        )


def _logits(
    hidden_KH: torch.Tensor,
    weight_VH: torch.Tensor,
    bias_V: torch.Tensor | None,
    *,
    ids_M: torch.Tensor,
    rows_M: torch.Tensor,
    rule: LogitRule,
) -> torch.Tensor:
    """Computes the logit [M] of each kept id at its position."""
    dtype = compute_dtype(hidden_KH, weight_VH, bias_V)
    dots_M = hidden_KH.new_empty(len(ids_M), dtype=dtype)
    for at in _chunks(len(ids_M), hidden_KH.shape[1]):
        dots_M[at] = weight_VH[ids_M[at]].to(dtype).mul_(hidden_KH[rows_M[at]]).sum(1)
    logits_M = dots_M.mul_(rule.inner * rule.scale)
    if bias_V is not None:
        logits_M += bias_V[ids_M].to(dtype) * rule.inner
    return logits_M if rule.softcap is None else logits_M.tanh_().mul_(rule.outer)


def _chunks(entries: int, width: int) -> Iterator[slice]:
    size = max(1, CHUNK_ELEMENTS // max(1, width))
    for start in range(0, entries, size):
        yield slice(start, min(start + size, entries))
