"""Makes the optimizer's updates of a step from its scored batch.

Place in the data's way: station 8. Says what is computed before the first update, in which order updates come, and
which of them a run survives. The policy computes the gradient; `training.saving` keeps what is left between updates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from trainyard_api.algorithm import GRPOConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.denominators import update_size
from trainyard_trainer.algorithms.losses import make_loss
from trainyard_trainer.algorithms.minibatches import minibatches, trained
from trainyard_trainer.algorithms.not_finite import Suspects, require_finite
from trainyard_trainer.algorithms.rows import bare_rows, grpo_rows, is_stale
from trainyard_trainer.algorithms.scored_batch import NOTHING_TO_TRAIN, LogProbs, ScoredBatch
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.numbers import Numbers, value_of
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.policy import Policy
from trainyard_trainer.policy.tally import DIFFERENCE, LARGEST_DIFFERENCE
from trainyard_trainer.trajectory import Trajectory

FIELD: Final = "spec.algorithm.grpo"


def prepare_batch(policy: Policy, trajectories: Sequence[Trajectory], config: GRPOConfig, *, step: int) -> ScoredBatch:
    """Makes what the updates of `step` are made from; before the first of them, and only then.

    Old log-probabilities are computed where the step has several updates, or another version of the policy sampled a
    token; else the ratio is to the policy of the update itself. The reference's are computed if there is a penalty.

    Args:
        policy: as it sampled the batch.
        trajectories: scored, with their advantages, in the order that their rows shall have.
        config: minibatches, epochs, penalty.
        step: the step that trains them.
    """
    indices = trained(trajectories, config)
    several = config.minibatches * config.epochs > 1
    stale = any(is_stale(segment, policy.version) for index in indices for segment in trajectories[index].segments)
    rows = bare_rows(trajectories, indices, policy.version)
    return ScoredBatch(
        step=step,
        version=policy.version,
        trajectories=tuple(trajectories),
        old_logprobs=_scored(policy.score, rows, len(trajectories)) if several or stale else None,
        reference_logprobs=_scored(policy.reference_score, rows, len(trajectories)) if config.kl else None,
    )


def updates(
    policy: Policy,
    batch: ScoredBatch,
    config: GRPOConfig,
    *,
    seed: int,
) -> Iterator[tuple[int, int, ScoredBatch]]:
    """Does the updates of a step that `batch` hasn't had yet, one for each value drawn.

    Yields updates done, updates in all, and the batch with the update's outcome. From that batch, with the policy's
    weights and state of then, the same updates go on in another process. Without a trained trajectory there is none.

    Args:
        policy: with the weights that `batch.outcomes` led to.
        batch: of `prepare_batch`, or of a checkpoint.
        config: loss, penalty, minibatches and epochs.
        seed: the run's.

    Raises:
        RefusedError: NOT_FINITE; MODEL_UNSUITABLE where sampler and policy disagree about the same tokens.
    """
    loss = make_loss(config)
    cuts = minibatches(batch.trajectories, config, seed=seed, step=batch.step, ranks=policy.ranks)
    for done in range(len(batch.outcomes), len(cuts)):
        whole = update_size([batch.trajectories[index] for index in cuts[done]], policy.ranks)
        outcome = NOTHING_TO_TRAIN
        if whole.policy_tokens:
            rows = grpo_rows(batch, cuts[done], config, whole, policy.version)
            outcome = policy.update(rows, loss)
            _require_agreement(policy, outcome)
            require_finite(policy, rows, suspects(config))
        batch = replace(batch, outcomes=(*batch.outcomes, outcome))
        yield done + 1, len(cuts), batch


def suspects(config: GRPOConfig) -> Suspects:
    """Names the settings that can make a loss infinite."""
    return Suspects(FIELD, config.temperature, config.kl.coefficient if config.kl is not None else None)


def _scored(score: Callable[[Sequence[Row]], list[tuple[float, ...]]], rows: Sequence[Row], count: int) -> LogProbs:
    """Scores rows, and puts their log-probabilities together by trajectory."""
    by_trajectory: list[list[tuple[float, ...]]] = [[] for _ in range(count)]
    for row, logprobs in zip(rows, score(rows) if rows else [], strict=True):
        by_trajectory[row.trajectory].append(logprobs)
    return tuple(tuple(segments) for segments in by_trajectory)


def _require_agreement(policy: Policy, outcome: Numbers) -> None:
    largest, mean = value_of(outcome, LARGEST_DIFFERENCE) or 0.0, value_of(outcome, DIFFERENCE) or 0.0
    allowed = policy.sampler_tolerance
    if largest > allowed.largest or mean > allowed.mean:
        raise RefusedError(
            TerminationReason.MODEL_UNSUITABLE,
            "must be a model class whose keys and values can be kept from turn to turn; decoding and training disagree "
            f"by up to {largest:.3g} nats about a token, by {mean:.3g} on average",
            field_path="spec.model",
            value=policy.architecture,
        )
