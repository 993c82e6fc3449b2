"""What is computed before a step's first update, which updates follow, and which a run survives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.trainyard_trainer.policies import policy, row, weights
from tests.trainyard_trainer.trajectories import segment, trajectory
from trainyard_api.algorithm import GRPOConfig, KLPenalty, LossType, Precision, SFTConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.advantages import with_advantages
from trainyard_trainer.algorithms.scored_batch import NOTHING_TO_TRAIN, ScoredBatch
from trainyard_trainer.algorithms.sft import SFT, Demonstrations
from trainyard_trainer.algorithms.update import prepare_batch, updates
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.numbers import Numbers, merged, value_of, values_of
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.policy import SamplerTolerance
from trainyard_trainer.policy.tally import DIFFERENCE, LARGEST_DIFFERENCE
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.trajectory import Segment, Trajectory


def config(**changes: Any) -> GRPOConfig:
    """Settings of a run."""
    return GRPOConfig(**({"steps": 1} | changes))


def unsampled(tokens: int, **changes: Any) -> Segment:
    """A segment of which no sampler's log-probabilities are known, so that no gap is found."""
    return segment(tokens, logprobs=(math.nan,) * (tokens + 1), **changes)


def step_of(groups: int = 3, **changes: Any) -> list[Trajectory]:
    """Groups of three trajectories with advantages, of 2, 3 and 4 tokens each."""
    return with_advantages(
        [
            trajectory(float(n), prompt=prompt, sample=n, segments=[unsampled(2 + n, **changes)])
            for prompt in range(groups)
            for n in range(3)
        ],
        config(),
    )


def run(chosen: TorchPolicy, batch: ScoredBatch, settings: GRPOConfig) -> ScoredBatch:
    """The batch after its last update."""
    return [batch, *(after for _, _, after in updates(chosen, batch, settings, seed=3))][-1]


def demonstrated(chosen: TorchPolicy, rows: Sequence[Row]) -> Numbers:
    """What an update on demonstrations measures."""
    algorithm = SFT(
        policy=chosen, longest_row=9, config=SFTConfig(steps=1, batch_size=1), questions=None, renderer=None
    )
    ((done, count, batch),) = algorithm.updates(Demonstrations(rows))
    assert done == count == algorithm.updates_per_step == 1, "so a step is never left between two"
    return batch.numbers


def versions(trajectories: Sequence[Trajectory], version: int) -> list[Trajectory]:
    """As if that version of the policy had sampled them, half a nat less likely than today's does."""
    return [
        replace(
            one,
            segments=tuple(
                replace(part, policy_versions=(version,) * len(part.mask), logprobs=(-4.0,) * len(part.mask))
                for part in one.segments
            ),
        )
        for one in trajectories
    ]


def test_a_single_update_on_its_own_samples_needs_no_old_log_probabilities() -> None:
    """Nor a reference without a penalty: no pass is made but the update's own."""
    batch = prepare_batch(policy(), step_of(), config(), step=4)
    assert (batch.step, batch.version, batch.outcomes) == (4, 0, ())
    assert (batch.old_logprobs, batch.reference_logprobs) == (None, None)


@pytest.mark.parametrize("changes", [{"minibatches": 2}, {"epochs": 2}])
def test_several_updates_are_compared_with_the_policy_before_the_first(changes: dict[str, int]) -> None:
    """Its log-probabilities are computed once, and kept while the weights move on."""
    chosen = policy(keep_reference=True)
    step, settings = step_of(), config(kl=KLPenalty(), **changes)
    batch = prepare_batch(chosen, [*step, trajectory(prompt=8)], settings, step=0)
    assert [len(part) for part in batch.old_logprobs] == [1] * 9 + [0]
    assert str(batch.old_logprobs) == str(batch.reference_logprobs)
    after = run(chosen, batch, settings)
    assert after.old_logprobs is batch.old_logprobs
    assert value_of(after.outcomes[0], "kl") == pytest.approx(0.0, abs=1e-9)
    assert value_of(after.outcomes[1], "kl") > 1e-6
    assert chosen.version == 2


def test_late_trajectories_are_weighed_against_their_sampler() -> None:
    """One stale token makes the batch need old log-probabilities; its tokens then count by the ratio of both."""
    chosen = policy()
    step = versions(step_of(), 7)
    batch = prepare_batch(chosen, step, config(), step=0)
    assert batch.old_logprobs is not None
    outcome = run(chosen, batch, config()).outcomes[0]
    assert value_of(outcome, "sampling_logp_difference/max") is None
    by_token = [
        min(math.exp(old + 4.0), 2.0) * one.advantage
        for one, (logprobs,) in zip(step, batch.old_logprobs, strict=True)
        for old in logprobs[1:]
    ]
    assert value_of(outcome, "loss") == pytest.approx(-sum(by_token) / len(by_token), rel=1e-4)


def test_on_policy_loss_is_minus_the_mean_advantage() -> None:
    """DAPO weighs tokens equally, GRPO trajectories, DrGRPO divides by its constant: by hand."""
    step = step_of(1)
    advantage = step[2].advantage
    expected = {LossType.DAPO: -2 * advantage / 9, LossType.GRPO: 0.0, LossType.DR_GRPO: -2 * advantage / 30}
    for loss, value in expected.items():
        settings = config(loss=loss, max_policy_tokens=10 if loss is LossType.DR_GRPO else None)
        chosen = policy()
        outcome = run(chosen, prepare_batch(chosen, step, settings, step=0), settings).outcomes[0]
        assert value_of(outcome, "loss") == pytest.approx(value, abs=1e-6)


def test_updates_are_counted_and_go_on_where_they_stopped() -> None:
    """2 minibatches x 2 epochs: stopped after any, through a checkpoint's form, the rest ends in the same weights."""
    settings = config(minibatches=2, epochs=2)
    undisturbed = policy()
    whole = run(undisturbed, prepare_batch(undisturbed, step_of(), settings, step=1), settings)
    assert len(whole.outcomes) == 4
    for stop in (1, 2, 3):
        chosen = policy()
        for done, count, batch in updates(chosen, prepare_batch(chosen, step_of(), settings, step=1), settings, seed=3):
            assert (count, len(batch.outcomes)) == (4, done)
            if done == stop:
                break
        back = ScoredBatch.from_state(batch.to_state())
        assert run(chosen, back, settings).outcomes == whole.outcomes
        assert torch.equal(weights(chosen), weights(undisturbed))


def test_a_step_without_a_reward_has_no_update() -> None:
    """Nothing moves, and there is nothing to report."""
    chosen = policy(keep_reference=True)
    settings = config(minibatches=2, kl=KLPenalty())
    batch = prepare_batch(chosen, [trajectory(sample=n) for n in range(3)], settings, step=0)
    assert run(chosen, batch, settings).outcomes == ()
    assert chosen.version == 0
    assert merged(()) == {}


def test_an_update_without_a_token_is_passed_over() -> None:
    """Empty completions only: no division by zero, no skipped update, no version."""
    chosen = policy()
    step = [trajectory(float(n), sample=n, segments=[unsampled(0)], advantage=1.0) for n in range(3)]
    before = weights(chosen)
    batch = run(chosen, prepare_batch(chosen, step, config(), step=0), config())
    assert batch.outcomes == (NOTHING_TO_TRAIN,)
    assert values_of(NOTHING_TO_TRAIN) == {"skipped_updates": 0.0, "out_of_memory": 0.0}
    assert torch.equal(weights(chosen), before)
    assert (chosen.version, chosen.skipped_in_a_row) == (0, 0)


def test_an_empty_completion_among_others_does_no_harm() -> None:
    """It counts in the denominator of GRPO and has no token to train."""
    step = step_of(1)
    step[0] = replace(step[0], segments=(unsampled(0),))
    chosen, settings = policy(), config(loss=LossType.GRPO)
    outcome = run(chosen, prepare_batch(chosen, step, settings, step=0), settings).outcomes[0]
    assert value_of(outcome, "loss") == pytest.approx(-(step[1].advantage + step[2].advantage) / 3, abs=1e-6)
    assert not value_of(outcome, "skipped_updates")


def test_a_group_without_variance_is_an_update_like_any_other() -> None:
    """Its gradient is 0; it isn't skipped, nor taken for an error."""
    step = with_advantages([trajectory(1.0, sample=n, segments=[unsampled(2)]) for n in range(3)], config())
    chosen = policy()
    outcome = run(chosen, prepare_batch(chosen, step, config(), step=0), config()).outcomes[0]
    assert (
        value_of(outcome, "loss"),
        value_of(outcome, "grad_norm"),
        value_of(outcome, "skipped_updates"),
        chosen.version,
    ) == (0.0, 0.0, False, 1)


def test_three_updates_in_a_row_that_are_not_finite_end_the_run() -> None:
    """With the learning rate as the field to change, where training spoilt the weights; two don't."""
    chosen = policy()
    run(chosen, prepare_batch(chosen, step_of(), config(), step=0), config())
    with torch.no_grad():
        chosen.model.lm_head.weight.fill_(math.nan)
    rows = [row(0, 2)]
    assert value_of(demonstrated(chosen, rows), "skipped_updates")
    assert value_of(demonstrated(chosen, rows), "skipped_updates")
    with pytest.raises(RefusedError) as refusal:
        run(chosen, prepare_batch(chosen, step_of(), config(), step=0), config())
    assert refusal.value.reason is TerminationReason.NOT_FINITE
    assert (refusal.value.field_path, refusal.value.value) == ("spec.algorithm.grpo.learningRate", "0.001")
    with pytest.raises(RefusedError, match="training can't go on: the weights aren't finite any") as refusal:
        demonstrated(chosen, rows)
    assert refusal.value.field_path == "spec.algorithm.sft.learningRate"


def test_rows_that_the_model_has_no_number_for_name_what_can_make_it_so() -> None:
    """Its weights are finite, its log-probabilities aren't: at a low temperature the temperature, else the model."""

    def refusal(settings: GRPOConfig | None) -> tuple[str | None, str | None]:
        chosen = policy(temperature=1e-30)
        with torch.no_grad():
            chosen.model.lm_head.weight.fill_(1e30)

        def update() -> Any:
            if settings is None:
                return demonstrated(chosen, [row(0, 2)])
            return run(chosen, prepare_batch(chosen, step_of(), settings, step=0), settings)

        update()
        update()
        with pytest.raises(RefusedError) as refused:
            update()
        return refused.value.field_path, refused.value.value

    assert refusal(config(temperature="0.01")) == ("spec.algorithm.grpo.temperature", "0.01")
    assert refusal(config()) == refusal(None) == ("spec.model", "Qwen3ForCausalLM")


def test_a_model_that_decodes_other_than_it_trains_is_refused() -> None:
    """Log-probabilities that no model gave would ruin training without any error."""
    chosen = policy()
    step = versions(step_of(), 0)
    with pytest.raises(RefusedError, match="decoding and training disagree") as refusal:
        run(chosen, prepare_batch(chosen, step, config(), step=0), config())
    assert refusal.value.reason is TerminationReason.MODEL_UNSUITABLE
    assert (refusal.value.field_path, refusal.value.value) == ("spec.model", "Qwen3ForCausalLM")


@pytest.mark.parametrize(
    ("precision", "shifts", "refused"),
    [
        (Precision.FLOAT32, (0.04,), False),
        (Precision.FLOAT32, (0.06,), True),
        (Precision.BFLOAT16, (2.0,), False),
        (Precision.BFLOAT16, (0.15,) * 100, True),
    ],
)
def test_float32_is_judged_by_the_worst_token_and_bfloat16_by_the_mean(
    precision: Precision, shifts: tuple[float, ...], refused: bool
) -> None:
    """One token of many that bfloat16 rounds badly ends no run; many that are a little off do."""
    chosen = policy(precision=precision)
    batch = prepare_batch(chosen, versions(step_of(10), 0), config(), step=0)
    scores = prepare_batch(chosen, batch.trajectories, config(epochs=2), step=0).old_logprobs
    left = list(shifts)
    exact = []
    for one, (logprobs,) in zip(batch.trajectories, scores, strict=True):
        drawn = [value + (left.pop() if left and math.isfinite(value) else 0.0) for value in logprobs]
        exact.append(replace(one, segments=(replace(one.segments[0], logprobs=tuple(drawn)),)))
    agreed = replace(batch, trajectories=tuple(exact))
    if refused:
        with pytest.raises(RefusedError, match="on average"):
            run(chosen, agreed, config())
    else:
        assert value_of(run(chosen, agreed, config()).outcomes[0], "sampling_logp_difference/max") == pytest.approx(
            shifts[0], abs=1e-3
        )


def test_a_difference_as_large_as_rounding_explains_ends_no_run() -> None:
    """More does, on average too; where no token's sampler is known there is nothing to disagree with."""
    step = versions(step_of(), 0)

    def refused(largest: float, mean: float, trajectories: Sequence[Trajectory] = step) -> bool:
        chosen = policy()
        chosen.sampler_tolerance = SamplerTolerance(largest, mean)
        try:
            run(chosen, prepare_batch(chosen, trajectories, config(), step=0), config())
        except RefusedError:
            return True
        return False

    tolerant = policy()
    tolerant.sampler_tolerance = SamplerTolerance(math.inf, math.inf)
    (outcome,) = run(tolerant, prepare_batch(tolerant, step, config(), step=0), config()).outcomes
    largest, mean = (value_of(outcome, name) for name in (LARGEST_DIFFERENCE, DIFFERENCE))
    assert not refused(largest, mean)
    assert refused(math.nextafter(largest, 0), math.inf)
    assert refused(math.inf, math.nextafter(mean, 0))
    assert not refused(0.0, 0.0, step_of())
