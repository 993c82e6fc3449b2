"""A step as a line: what a person reads first."""

from __future__ import annotations

from trainyard_trainer.reporting.step_line import describe_step
from trainyard_trainer.sinks import StepMetrics

VALUES = {
    "reward_mean": 0.84,
    "reward_std": 0.25,
    "kl": 0.01234,
    "entropy": 1.5,
    "grad_norm": 0.75,
    "completions/mean_length": 21.2,
    "success_rate": 0.8125,
    "frac_reward_zero_std": 0.125,
    "loss": -0.0123,
    "clip_ratio/high_mean": 0.03,
    "length_right": 12.4,
    "length_wrong": 30.0,
    "rollout_seconds": 1.25,
    "update_seconds": 0.4,
    "tokens_per_second": 12000.0,
}


def test_a_step_is_one_line() -> None:
    """Steps count from 1 for people; what tells leads: reward with its spread, success, divergence, norm, length."""
    assert describe_step(StepMetrics("step", 30, 31, VALUES)) == (
        "step 31: reward 0.84 +- 0.25, right 81.2%, kl 0.0123, entropy 1.5, grad 0.75, length 21.2, groups all alike "
        "12%, loss -0.0123, clipped 0.0% low 3.0% high, length of right 12, wrong 30, 1.25 s rollout, 0.40 s update, "
        "12000 tokens/s"
    )


def test_what_does_not_exist_is_not_named() -> None:
    """A step without rewards, as of supervised fine-tuning; a skipped update can't be overlooked."""
    assert describe_step(StepMetrics("step", 0, 1, {"loss": 2.0, "skipped_updates": 0.0})) == "step 1: loss 2"
    line = describe_step(StepMetrics("step", 0, 1, {"skipped_updates": 1.0}))
    assert line == "step 1: UPDATE SKIPPED: loss or gradient isn't finite"
