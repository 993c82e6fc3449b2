"""From a scored batch to an optimizer update.

Place in the data's way: station 8. Makes the rows that are trained and decides which updates a run survives; the
gradient itself is the policy's business.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainyard_api.algorithm import LossType
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.policy.batches import MicroBatch, Row
from trainyard_trainer.policy.losses import CLIPS, clipped_surrogate, denominator, token_weight
from trainyard_trainer.seams import Policy, UpdateOutcome
from trainyard_trainer.trajectory import Trajectory

MAX_SKIPPED = 3
"""Updates in a row whose loss or gradient isn't finite, after which the run can't go on."""
MAX_SAMPLER_GAP = 0.05
"""Largest difference of log-probabilities, in nats, between sampler and policy; float32 rounding stays below 1e-4."""


def update_by_grpo(policy: Policy, trajectories: Sequence[Trajectory], loss: LossType) -> UpdateOutcome:
    """One update on all scored trajectories of a step.

    Raises:
        RefusedError: NOT_FINITE; MODEL_UNSUITABLE where sampler and policy disagree about the same tokens.
    """

    def token_loss(logprobs_BT: torch.Tensor, batch: MicroBatch) -> torch.Tensor:
        return clipped_surrogate(logprobs_BT, logprobs_BT.detach(), batch.advantages, CLIPS[loss])

    outcome = policy.update(grpo_rows(trajectories, loss), token_loss)
    if outcome.sampler_gap is not None and outcome.sampler_gap > MAX_SAMPLER_GAP:
        raise RefusedError(
            TerminationReason.MODEL_UNSUITABLE,
            "must be a model class whose keys and values can be kept from turn to turn; decoding and training disagree "
            f"by {outcome.sampler_gap:.3g} nats about a token",
            field_path="spec.model",
            value=policy.architecture,
        )
    return _survived(policy, outcome, "spec.algorithm.grpo.learningRate")


def update_by_sft(policy: Policy, rows: Sequence[Row]) -> UpdateOutcome:
    """One update on demonstrations.

    Raises:
        RefusedError: NOT_FINITE.
    """

    def token_loss(logprobs_BT: torch.Tensor, _: MicroBatch) -> torch.Tensor:
        return -logprobs_BT

    outcome = policy.update(rows, token_loss)
    return _survived(policy, outcome, "spec.algorithm.sft.learningRate")


def grpo_rows(trajectories: Sequence[Trajectory], loss: LossType) -> list[Row]:
    """Every segment of every scored trajectory as a row, in their order; what has no reward isn't trained."""
    whole = denominator(loss, trajectories)
    return [
        Row(
            token_ids=segment.token_ids,
            mask=segment.mask,
            advantages=segment.advantages or (trajectory.advantage,) * len(segment.token_ids),
            weight=token_weight(loss, trajectory, whole),
            sampler_logprobs=segment.logprobs,
        )
        for trajectory in trajectories
        if trajectory.scored
        for segment in trajectory.segments
    ]


def _survived(policy: Policy, outcome: UpdateOutcome, rate_field: str) -> UpdateOutcome:
    if policy.skipped_in_a_row >= MAX_SKIPPED:
        raise RefusedError(
            TerminationReason.NOT_FINITE,
            f"must keep loss and gradient finite; {MAX_SKIPPED} updates in a row weren't, so training can't go on",
            field_path=rate_field,
            value=f"{policy.learning_rate:g}",
        )
    return outcome
