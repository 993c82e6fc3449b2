"""Which rows are trained, and which updates a run survives."""

from __future__ import annotations

import pytest
import torch

from tests.trainyard_trainer import small
from tests.trainyard_trainer.small import trajectory
from trainyard_api.algorithm import LossType
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.update import grpo_rows, update_by_grpo, update_by_sft
from trainyard_trainer.sampling.randomness import Stream
from trainyard_trainer.seams import Prompt, Question, RolloutPlan
from trainyard_trainer.trajectory import TrajectoryStatus

PLAN = RolloutPlan(2, 1.0, 20, Stream.TRAINING_TOKENS)
STEP = [
    trajectory(1.0, sample=0, tokens=2, advantage=0.5),
    trajectory(0.0, sample=1, tokens=6, advantage=-0.5),
    trajectory(sample=2, status=TrajectoryStatus.FAILED_REWARD),
]


def test_rows_are_the_scored_segments_with_their_trajectorys_advantage() -> None:
    """A failed trajectory gives no row and weighs nothing."""
    rows = grpo_rows(STEP, LossType.DAPO)
    assert [row.token_ids for row in rows] == [t.segments[0].token_ids for t in STEP[:2]]
    assert [set(row.advantages) for row in rows] == [{0.5}, {-0.5}]
    assert [row.weight for row in rows] == [1 / 8, 1 / 8]
    assert [row.weight for row in grpo_rows(STEP, LossType.GRPO)] == [1 / 4, 1 / 12]


def test_on_policy_loss_is_minus_the_mean_advantage() -> None:
    """DAPO weighs tokens equally, GRPO trajectories: by hand for 2 and 6 tokens."""
    policy = small.policy()
    for loss, expected in ((LossType.DAPO, -(0.5 * 2 - 0.5 * 6) / 8), (LossType.GRPO, 0.0)):
        without_gap = [small.replace_logprobs(t) for t in STEP]
        assert update_by_grpo(policy, without_gap, loss).loss == pytest.approx(expected, abs=1e-6)


def test_three_updates_in_a_row_that_are_not_finite_end_the_run() -> None:
    """With the learning rate as the field to change; two don't."""
    policy = small.policy()
    with torch.no_grad():
        policy.model.lm_head.weight.fill_(float("nan"))
    rows = [Row((1, 2), (False, True), (1.0, 1.0), 1.0)]
    assert update_by_sft(policy, rows).skipped
    assert update_by_sft(policy, rows).skipped
    with pytest.raises(RefusedError) as refusal:
        update_by_sft(policy, rows)
    assert refusal.value.reason is TerminationReason.NOT_FINITE
    assert (refusal.value.field_path, refusal.value.value) == ("spec.algorithm.sft.learningRate", "0.001")


def test_a_model_that_decodes_other_than_it_trains_is_refused() -> None:
    """Keys and values that aren't what they seem would ruin training without any error."""
    policy = small.policy()
    question = Question("Q47*93;", "04371")
    (good, other) = small.rollouts(policy).rollout([Prompt(0, 0, question)], PLAN)
    scored = [small.scored(good, 1.0), small.scored(other, 0.0)]
    assert update_by_grpo(policy, scored, LossType.DAPO).sampler_gap < 1e-4
    with pytest.raises(RefusedError, match="decoding and training disagree") as refusal:
        update_by_grpo(policy, STEP, LossType.DAPO)  # log-probabilities that no model gave
    assert refusal.value.reason is TerminationReason.MODEL_UNSUITABLE
    assert (refusal.value.field_path, refusal.value.value) == ("spec.model", "Qwen3ForCausalLM")
