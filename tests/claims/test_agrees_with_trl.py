"""Gradients are TRL's, where old and new policy have come far apart; where the two differ, by how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.trainyard_trainer import trl_side
from tests.trainyard_trainer.policies import ALONE, gradient, loaded, policy
from tests.trainyard_trainer.trl_side import MAX_COMPLETION, Batch
from trainyard_api.algorithm import GRPOConfig, KLEstimator, KLPenalty, LossType
from trainyard_trainer.algorithms.advantages import group_advantages
from trainyard_trainer.algorithms.denominators import update_size
from trainyard_trainer.algorithms.losses import clip_of, make_loss
from trainyard_trainer.algorithms.rows import grpo_rows
from trainyard_trainer.numbers import Numbers, value_of
from trainyard_trainer.policy.micro_batches import cut_rows
from trainyard_trainer.policy.torch_policy import TorchPolicy

TOLERANCE = 1e-5
EVERYTHING = (tuple(range(8)),)
QUARTERS = ((0, 1), (2, 3), (4, 5), (6, 7))
FOUR_PASSES = 58
"""Tokens of a pass, with which ours makes four: of 2, 2, 3 and 1 trajectories."""
PENALTIES = {"none": None, "k3": KLEstimator.K3, "corrected": KLEstimator.CORRECTED_K3}
NAMES = {LossType.GSPO: "grpo", LossType.DR_GRPO: "dr_grpo"}
"""Where TRL has another name: GSPO is its loss `grpo` with one importance weight for a sequence."""


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One trainer, whose settings each test sets."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield trl_side.trl_trainer(tmp_path_factory.mktemp("trl"))
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def policies() -> dict[int, TorchPolicy]:
    """Ours, with the weights that TRL's model has, by the number of passes that they make."""
    model = replace(loaded(), model=trl_side.tiny_model(), pad_id=trl_side.PAD)
    return {passes: policy(model=model, micro_batch_tokens=bound) for passes, bound in ((1, 10_000), (4, FOUR_PASSES))}


@pytest.fixture(scope="module")
def batches(policies: dict[int, TorchPolicy]) -> dict[bool, Batch]:
    """Token by token, and trajectory by trajectory (for GSPO), far from the old policy."""
    return {kind: trl_side.make_batch(policies[1].model, by_trajectory=kind) for kind in (False, True)}


def settings(loss: LossType, estimator: KLEstimator | None = None, dual_clip: str | None = None) -> GRPOConfig:
    """A run's settings; the penalty weighs as much as the rest."""
    return GRPOConfig(
        loss=loss,
        steps=1,
        dual_clip=dual_clip,
        kl=KLPenalty(coefficient="0.3", estimator=estimator) if estimator else None,
        max_policy_tokens=MAX_COMPLETION if loss is LossType.DR_GRPO else None,
    )


def set_up(trainer: Any, config: GRPOConfig) -> None:
    """Make TRL compute what `config` says."""
    clip = clip_of(config)
    trainer.loss_type = NAMES.get(config.loss, config.loss.value.lower())
    trainer.importance_sampling_level = "sequence" if config.loss is LossType.GSPO else "token"
    trainer.epsilon_low, trainer.epsilon_high = clip.low or 0.0, clip.high
    trainer.args.delta = clip.dual
    trainer.max_completion_length = config.max_policy_tokens or MAX_COMPLETION
    trainer.beta = float(config.kl.coefficient) if config.kl else 0.0
    trainer.args.use_bias_correction_kl = bool(config.kl) and config.kl.estimator is KLEstimator.CORRECTED_K3
    trainer._metrics["train"].clear()


def our_gradient(policy: TorchPolicy, batch: Batch, config: GRPOConfig) -> tuple[torch.Tensor, Numbers]:
    """Of an update on the whole batch, in as many passes as the policy needs."""
    indices = range(len(batch.scored.trajectories))
    rows = grpo_rows(batch.scored, indices, config, update_size(batch.scored.trajectories, ALONE), 1)
    tally, _ = policy.accumulate(rows, make_loss(config))
    return gradient(policy), tally.numbers()


CASES = {
    f"{loss}-{penalty}-{'one-sided' if bound is None else 'dual'}": settings(loss, PENALTIES[penalty], bound)
    for loss in LossType
    for penalty in PENALTIES
    for bound in (None, "3.0")
    if not (loss is LossType.CISPO and bound)  # neither has such a bound there
}


@pytest.mark.parametrize("config", CASES.values(), ids=CASES.keys())
def test_gradients_are_those_of_trl(
    trainer: Any, policies: dict[int, TorchPolicy], batches: dict[bool, Batch], config: GRPOConfig
) -> None:
    """To 1e-5 of their length, in one pass and in four, with tool results in the middle of completions."""
    batch = batches[config.loss is LossType.GSPO]
    set_up(trainer, config)
    for cuts in (EVERYTHING, QUARTERS):
        theirs = trl_side.trl_gradient(trainer, batch.scored, cuts)
        ours, _ = our_gradient(policies[len(cuts)], batch, config)
        assert trl_side.distance(ours, theirs) <= TOLERANCE
        assert theirs.norm() > 0.01


def test_the_policy_makes_as_many_passes_as_it_is_said_to(batches: dict[bool, Batch]) -> None:
    """One or four, of unequal numbers of trajectories."""
    size = update_size(batches[False].scored.trajectories, ALONE)
    rows = grpo_rows(batches[False].scored, range(8), settings(LossType.DAPO), size, 1)
    assert [len(cut) for cut in cut_rows(rows, FOUR_PASSES)] == [2, 2, 3, 1]


@pytest.mark.parametrize("loss", list(LossType))
def test_a_fifth_of_the_tokens_is_clipped_on_either_side(
    trainer: Any, policies: dict[int, TorchPolicy], batches: dict[bool, Batch], loss: LossType
) -> None:
    """By our count and by TRL's; CISPO has an upper side only. Without this, agreement would say little."""
    config, batch = settings(loss), batches[loss is LossType.GSPO]
    set_up(trainer, config)
    trl_side.trl_gradient(trainer, batch.scored, EVERYTHING)
    _, ours = our_gradient(policies[1], batch, config)
    assert value_of(ours, "clip_ratio/high_mean") >= 0.2
    if loss is LossType.CISPO:
        assert trainer._metrics["train"]["cispo_clip_ratio"][0] >= 0.2
        return
    assert value_of(ours, "clip_ratio/low_mean") >= 0.2
    theirs = [trainer._metrics["train"][f"clip_ratio/{side}_mean"][0] for side in ("low", "high")]
    assert min(theirs) >= 0.2
    if loss is not LossType.GSPO:  # there TRL counts sequences, we count tokens
        assert theirs == pytest.approx([value_of(ours, "clip_ratio/low_mean"), value_of(ours, "clip_ratio/high_mean")])


@pytest.mark.parametrize(
    ("loss", "apart"), [(LossType.GRPO, 0.4), (LossType.DR_GRPO, 0.4), (LossType.GSPO, 0.4), (LossType.DAPO, 0.0)]
)
def test_micro_batches_of_unequal_size_change_trls_gradient_not_ours(
    trainer: Any, policies: dict[int, TorchPolicy], batches: dict[bool, Batch], loss: LossType, apart: float
) -> None:
    """Of 1 and 7 trajectories TRL takes the mean of two means: by two fifths at least the gradient is another one."""
    config, batch = settings(loss), batches[loss is LossType.GSPO]
    set_up(trainer, config)
    whole, _ = our_gradient(policies[1], batch, config)
    cut, _ = our_gradient(policies[4], batch, config)
    assert trl_side.distance(cut, whole) <= TOLERANCE
    uneven = ((0,), tuple(range(1, 8)))
    gap = trl_side.distance(trl_side.trl_gradient(trainer, batch.scored, uneven), whole)
    assert gap > apart if apart else gap <= TOLERANCE


def test_equal_rewards_have_an_advantage_in_trl(trainer: Any) -> None:
    """By float32 rounding of the mean, up to 0.002 of a standard deviation; ours is 0 exactly."""
    trainer.num_generations = 8
    largest = 0.0
    for hundredths in range(1, 300, 7):
        rewards = [hundredths / 100] * 8
        largest = max(largest, trl_side.trl_scored(trainer, [[5, 1]] * 8, rewards)["advantages"].abs().max().item())
        assert not group_advantages(rewards).any()
    trainer.num_generations = trl_side.GROUP
    assert 1e-4 < largest < 1e-2


def test_trl_takes_a_turn_that_ended_by_its_own_stop_id_for_truncated(trainer: Any) -> None:
    """It looks at the last id, we at what the sampler said: of such a group TRL would train no token at all."""
    trainer.mask_truncated_completions = True
    stop_id, eos = 7, 1
    rewards = [0.0, 1.0, 0.0, 1.0]
    ended = trl_side.trl_scored(trainer, [[5, 6, eos]] * 4, rewards)
    ended_otherwise = trl_side.trl_scored(trainer, [[5, 6, stop_id]] * 4, rewards)
    with pytest.raises(IndexError):
        trl_side.trl_scored(trainer, [[], [5, eos], [5, eos], [5, eos]], rewards)
    trainer.mask_truncated_completions = False
    assert ended["completion_mask"].sum() == 12
    assert ended_otherwise["completion_mask"].sum() == 0


def test_trls_constant_of_dr_grpo_counts_what_tools_wrote(
    trainer: Any, policies: dict[int, TorchPolicy], batches: dict[bool, Batch]
) -> None:
    """Its constant is the limit on a completion with all tool results in it, ours that on what the policy samples."""
    config = settings(LossType.DR_GRPO)
    set_up(trainer, config)
    trainer.max_completion_length = 4 * MAX_COMPLETION
    theirs = trl_side.trl_gradient(trainer, batches[False].scored, EVERYTHING)
    ours, _ = our_gradient(policies[4], batches[False], config)
    assert trl_side.distance(4 * theirs, ours) <= TOLERANCE
