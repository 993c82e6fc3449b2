"""What former releases kept of an update is read under today's names."""

from __future__ import annotations

from typing import Any

import pytest

from trainyard_trainer.algorithms.former_outcomes import numbers_of_former
from trainyard_trainer.numbers import Kind, values_of

FORMER: dict[str, Any] = {
    "loss": 0.5, "grad_norm": None, "entropy": 0.25, "sampler_gap": 1e-5, "skipped": 1, "kl": None, "clip_low": 0.0,
    "clip_high": 0.5, "policy_tokens": 8, "out_of_memory": 2, "sampler_gap_mean": 1e-6,
}  # fmt: skip


def test_every_value_comes_back_and_none_is_made_up() -> None:
    """Means over tokens weigh as many as they were over."""
    numbers = numbers_of_former(FORMER)
    assert values_of(numbers) == pytest.approx(
        {
            "loss": 0.5,
            "entropy": 0.25,
            "sampling_logp_difference/max": 1e-5,
            "sampling_logp_difference/mean": 1e-6,
            "skipped_updates": 1.0,
            "clip_ratio/low_mean": 0.0,
            "clip_ratio/high_mean": 0.5,
            "trained_tokens": 8.0,
            "out_of_memory": 2.0,
        }
    )
    assert numbers["entropy"].count == 8


def test_values_go_on_as_the_kind_that_they_are_today() -> None:
    """Merged with an update of today, counts add up, the largest difference stays the largest, and means are means."""
    kinds = {name: number.kind for name, number in numbers_of_former(FORMER | {"grad_norm": 1.0, "kl": 0.1}).items()}
    assert {name for name, kind in kinds.items() if kind is Kind.SUM} == {
        "skipped_updates", "out_of_memory", "trained_tokens",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind is Kind.MAX} == {"sampling_logp_difference/max"}
    assert {name for name, kind in kinds.items() if kind is Kind.MEAN} == {
        "loss", "grad_norm", "entropy", "kl", "sampling_logp_difference/mean", "clip_ratio/low_mean",
        "clip_ratio/high_mean",
    }  # fmt: skip


def test_another_layout_is_refused() -> None:
    """Never guessed at."""
    with pytest.raises(ValueError, match="an update in a checkpoint"):
        numbers_of_former(FORMER | {"more": 1})
