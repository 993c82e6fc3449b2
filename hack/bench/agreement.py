"""Whether engines do the same work: what they sample is held against a plain forward pass of the model.

A fast engine that samples from something else than the model would win every benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import Qwen3ForCausalLM

from hack.bench.generators import ENDED_BY_ID, ENGINES, sample
from hack.bench.models import EOS
from hack.bench.workloads import Completions, Workload

TOLERANCE = 1e-3
"""Nats by which a greedy token may be less probable than the best, or a log-probability be off; rounding gives 1e-5."""


class DisagreementError(Exception):
    """An engine doesn't sample from the model."""


def logprobs_after(model: Qwen3ForCausalLM, prompt: Sequence[int], completion: Sequence[int]) -> torch.Tensor:
    """Computes log-probabilities [tokens of the completion, V] by one forward pass without a cache."""
    ids = torch.tensor([[*prompt, *completion]])
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 : -1]
    return torch.log_softmax(logits.double(), dim=-1)


def greedy_gap(model: Qwen3ForCausalLM, workload: Workload, completions: Completions, *, forced: bool) -> float:
    """Returns how much less probable than the best a greedily sampled token was at most, over all rows.

    Where an end id was `forced` at a row's end, it was forbidden before: it is no candidate, and the last token is none
    that the model chose.
    """
    gaps = [0.0]
    for prompt, ids in zip(workload.prompts, completions, strict=True):
        chosen = ids[:-1] if forced else ids
        if chosen:
            found = logprobs_after(model, prompt, chosen)
            if forced:
                found[:, EOS] = -torch.inf
            gaps.append(float((found.max(-1).values - found.gather(1, torch.tensor(chosen)[:, None])[:, 0]).max()))
    return max(gaps)


def logprob_error(model: Qwen3ForCausalLM, workload: Workload) -> float:
    """Returns the largest error of the log-probabilities that our engine gives with what it samples."""
    sampled = sample(model, workload)
    errors = []
    for prompt, ids, given in zip(workload.prompts, sampled.completions, sampled.logprobs, strict=True):
        exact = logprobs_after(model, prompt, ids).gather(1, torch.tensor(ids)[:, None])[:, 0]
        errors.append(float((exact - torch.tensor(given, dtype=torch.float64)).abs().max()))
    return max(errors)


def require_agreement(model: Qwen3ForCausalLM, workload: Workload, engines: Sequence[str]) -> dict[str, float]:
    """Returns the largest gap of each engine's greedy tokens, and as `ours, sampled` the largest error of our
    log-probabilities.

    Raises:
        DisagreementError: one is beyond `TOLERANCE`, or a row hasn't the length that was asked for.
    """
    greedy = workload.few(greedy=True)
    found: dict[str, float] = {}
    for name in engines:
        with ENGINES[name](model, greedy) as generate:
            completions = generate()
        if [len(ids) for ids in completions] != list(greedy.lengths):
            raise DisagreementError(f"{name}: lengths {[len(ids) for ids in completions]}, not {greedy.lengths}")
        found[name] = greedy_gap(model, greedy, completions, forced=name in ENDED_BY_ID)
    found["ours, sampled"] = logprob_error(model, workload.few(greedy=False))
    wrong = {name: gap for name, gap in found.items() if not gap <= TOLERANCE}
    if wrong:
        raise DisagreementError(f"not sampled from the model, in nats: {wrong}")
    return found
