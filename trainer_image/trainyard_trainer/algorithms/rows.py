"""Makes rows for the policy from trajectories.

Place in the data's way: station 8. Pure. Every segment of a trained trajectory becomes a row. The weights of its tokens
hold the update's denominator, and what makes up for a sampler of an older version.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from trainyard_api.algorithm import GRPOConfig
from trainyard_trainer.algorithms.denominators import UpdateSize, token_weight
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.trajectory import Segment, Trajectory

MAX_STALE_WEIGHT = 2.0
"""Largest importance weight, old policy against sampler, of a token that an older version sampled (truncated importance
sampling, arXiv 1802.01561, section 4.1)."""


def bare_rows(trajectories: Sequence[Trajectory], indices: Iterable[int], version: int) -> list[Row]:
    """Makes a row of every segment of these trajectories, in their order, with advantages but no weights yet.

    Args:
        trajectories: of the batch; a row's `trajectory` is the index in it.
        indices: which of them.
        version: the policy's of now, to tell which rows it sampled itself.
    """
    return [
        _bare(index, trajectories[index], segment, version)
        for index in indices
        for segment in trajectories[index].segments
    ]


def grpo_rows(
    batch: ScoredBatch, indices: Sequence[int], config: GRPOConfig, whole: UpdateSize, version: int
) -> list[Row]:
    """Makes the rows of one update.

    Args:
        batch: the step's, with its old log-probabilities wherever a token is stale.
        indices: the trajectories of this update, of this rank.
        config: names the denominator.
        whole: the size of the update over all ranks.
        version: the policy's of now.
    """
    rows: list[Row] = []
    for index in indices:
        trajectory = batch.trajectories[index]
        weight = token_weight(config, trajectory.policy_tokens, whole)
        for number, segment in enumerate(trajectory.segments):
            old = batch.old_logprobs[index][number] if batch.old_logprobs else None
            rows.append(
                replace(
                    _bare(index, trajectory, segment, version),
                    weights=_weights(segment, old, weight, batch.version),
                    old_logprobs=old,
                    reference_logprobs=batch.reference_logprobs[index][number] if batch.reference_logprobs else None,
                )
            )
    return rows


def is_stale(segment: Segment, version: int) -> bool:
    """Tells whether another version of the policy than `version` sampled one of its tokens."""
    return any(
        sampled and sampler != version for sampled, sampler in zip(segment.mask, segment.policy_versions, strict=True)
    )


def _bare(index: int, trajectory: Trajectory, segment: Segment, version: int) -> Row:
    length = len(segment.token_ids)
    return Row(
        token_ids=segment.token_ids,
        mask=segment.mask,
        advantages=segment.advantages or (trajectory.advantage,) * length,
        weights=(0.0,) * length,
        trajectory=index,
        sampler_logprobs=segment.logprobs,
        support=segment.support,
        on_policy=not is_stale(segment, version),
    )


def _weights(
    segment: Segment, old_logprobs: tuple[float, ...] | None, weight: float, version: int
) -> tuple[float, ...]:
    """Weighs each sampled token by the denominator, and a stale one by its truncated importance weight too."""
    weights = []
    for place, (sampled, sampler) in enumerate(zip(segment.mask, segment.policy_versions, strict=True)):
        if not sampled:
            weights.append(0.0)
        elif sampler == version:
            weights.append(weight)
        elif old_logprobs is None:
            raise ValueError(f"token {place} was sampled by version {sampler}, and has no old log-probability")
        else:
            gap = old_logprobs[place] - segment.logprobs[place]
            weights.append(weight * min(math.exp(min(gap, 1.0)), MAX_STALE_WEIGHT))
    return tuple(weights)
