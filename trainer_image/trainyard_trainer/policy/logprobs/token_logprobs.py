"""Computes log-probabilities of given tokens from hidden states and the weight of the model's head.

Place in the data's way: station 8, between the policy's forward pass and the loss. Only positions that are asked for
come in, so prompts cost nothing. Here bad input is refused and positions are parted by what they were drawn from: the
whole vocabulary (`tiles`) or what top-k or top-p left of it (`support`). Must never hold
the logits of [tokens, vocabulary]. Tensor names end in their dimensions: N tokens, V vocabulary, H hidden.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trainyard_trainer.policy.logprobs.logit_rule import LogitRule
from trainyard_trainer.policy.logprobs.support import SupportLogprobs
from trainyard_trainer.policy.logprobs.tiles import TiledLogprobs


@dataclass(frozen=True, slots=True)
class Support:
    """Says where a filter cut the distribution that a token was drawn from, and to which ids.

    `positions` [K] are indices into the N tokens, ascending; `ids` [M] their kept ids, those of one position after
    those of the one before, distinct within one; `lengths` [K] how many each has. All int64.
    """

    positions: torch.Tensor
    ids: torch.Tensor
    lengths: torch.Tensor

    @classmethod
    def of(cls, kept: Sequence[Sequence[int] | None], device: torch.device | str = "cpu") -> Support | None:
        """Makes it from a list of ids per token [N], None where nothing was cut; None if nothing was anywhere."""
        cut = [(position, ids) for position, ids in enumerate(kept) if ids is not None]
        if not cut:
            return None
        return cls(
            positions=torch.tensor([position for position, _ in cut], device=device),
            ids=torch.tensor([token for _, ids in cut for token in ids], dtype=torch.int64, device=device),
            lengths=torch.tensor([len(ids) for _, ids in cut], device=device),
        )


def token_logprobs(
    hidden_NH: torch.Tensor,
    weight_VH: torch.Tensor,
    targets_N: torch.Tensor,
    *,
    bias_V: torch.Tensor | None = None,
    temperature: float = 1.0,
    softcap: float | None = None,
    scale: float = 1.0,
    support: Support | None = None,
    want_entropy: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Computes log-probabilities [N] of the targets and, if wanted, entropies [N] of their distributions, in nats.

    The logits are softcap x tanh((hidden @ weight^T x scale + bias) / softcap) / temperature, or without a softcap
    (hidden @ weight^T x scale + bias) / temperature. Whatever the inputs' dtype, also under autocast, they are computed
    and summed in float32 (float64 if an input has it); so are the results. Gradients go to hidden, weight and bias, in
    their own dtypes, from the log-probabilities alone: the entropies are for reading.

    Beside the gradients it holds a few tiles of tiles.TOKEN_TILE x VOCABULARY_TILE and some numbers for
    each token and each kept id. Raises ValueError for shapes that don't fit, ids outside the vocabulary, and a target
    outside its own support.
    """
    _check(hidden_NH, weight_VH, targets_N, bias_V)
    rule = _rule(temperature, softcap, scale)
    if support is None:
        return TiledLogprobs.apply(hidden_NH, weight_VH, bias_V, targets_N, rule, want_entropy)
    places_K = _places(support, targets_N, len(weight_VH))
    all_cut = len(places_K) == len(targets_N)
    cut_KH = hidden_NH if all_cut else hidden_NH[support.positions]
    cut = SupportLogprobs.apply(cut_KH, weight_VH, bias_V, places_K, support.ids, support.lengths, rule)
    if all_cut:
        return cut[0], cut[1] if want_entropy else None
    whole_N = torch.ones_like(targets_N, dtype=torch.bool)
    whole_N[support.positions] = False
    whole = TiledLogprobs.apply(hidden_NH[whole_N], weight_VH, bias_V, targets_N[whole_N], rule, want_entropy)
    order_N = torch.cat((whole_N.nonzero().squeeze(1), support.positions)).argsort()
    return torch.cat((whole[0], cut[0]))[order_N], torch.cat((whole[1], cut[1]))[order_N] if want_entropy else None


def _rule(temperature: float, softcap: float | None, scale: float) -> LogitRule:
    for name, value in (("temperature", temperature), ("softcap", softcap)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: logits are divided by it, so it must be finite and above 0; got {value}")
    if not math.isfinite(scale):
        raise ValueError(f"scale: must be finite; got {scale}")
    return LogitRule(temperature, softcap, scale)


def _check(
    hidden_NH: torch.Tensor, weight_VH: torch.Tensor, targets_N: torch.Tensor, bias_V: torch.Tensor | None
) -> None:
    if hidden_NH.ndim != 2 or weight_VH.ndim != 2 or hidden_NH.shape[1] != weight_VH.shape[1]:
        got = f"{tuple(hidden_NH.shape)} and {tuple(weight_VH.shape)}"
        raise ValueError(f"hidden_NH, weight_VH: must be [N, H] and [V, H] with one H; got {got}")
    if targets_N.shape != hidden_NH.shape[:1] or targets_N.dtype != torch.int64:
        got = f"{targets_N.dtype} {tuple(targets_N.shape)} for {len(hidden_NH)} hidden states"
        raise ValueError(f"targets_N: must be one int64 id for each hidden state; got {got}")
    if bias_V is not None and bias_V.shape != weight_VH.shape[:1]:
        got = f"{tuple(bias_V.shape)} for {len(weight_VH)} rows"
        raise ValueError(f"bias_V: must be one number for each row of weight_VH; got {got}")
    _check_ids("targets_N", targets_N, len(weight_VH))


def _check_ids(name: str, ids: torch.Tensor, vocabulary: int) -> None:
    outside = ids[(ids < 0) | (ids >= vocabulary)]
    if len(outside):
        raise ValueError(f"{name}: ids must lie in [0, {vocabulary}), the rows of weight_VH; got {int(outside[0])}")


def _places(support: Support, targets_N: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """Finds the index [K] into `ids_M` of each cut position's target."""
    positions_K, ids_M, lengths_K = support.positions, support.ids, support.lengths
    if len(positions_K) != len(lengths_K) or int(lengths_K.sum()) != len(ids_M):
        summed = f"{len(lengths_K)} lengths that sum to {int(lengths_K.sum())}"
        got = f"{len(positions_K)} positions, {summed}, {len(ids_M)} ids"
        raise ValueError(f"support: needs a length for each position, and as many ids as the lengths say; got {got}")
    if bool((positions_K.diff() <= 0).any()):
        raise ValueError("support.positions: must ascend, each position once; got another order")
    if len(positions_K) and not 0 <= int(positions_K[0]) <= int(positions_K[-1]) < len(targets_N):
        got = f"{int(positions_K[0])} to {int(positions_K[-1])}"
        raise ValueError(f"support.positions: must lie in [0, {len(targets_N)}), the targets; got {got}")
    _check_ids("support.ids", ids_M, vocabulary)
    wanted_M = torch.repeat_interleave(targets_N[positions_K], lengths_K)
    places = (ids_M == wanted_M).nonzero().squeeze(1)
    rows_M = torch.repeat_interleave(torch.arange(len(lengths_K), device=ids_M.device), lengths_K)
    counts_K = torch.bincount(rows_M[places], minlength=len(lengths_K))
    wrong = (counts_K != 1).nonzero()
    if len(wrong):
        row = int(wrong[0])
        got = f"token {int(targets_N[positions_K[row]])} {int(counts_K[row])} times at position {int(positions_K[row])}"
        raise ValueError(f"support.ids: a token was drawn from what was kept, so it stands there once; got {got}")
    return places
