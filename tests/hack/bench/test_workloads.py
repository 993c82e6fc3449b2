"""Every engine is asked for the same, and it is what the table says."""

from __future__ import annotations

import statistics

import pytest

from hack.bench.models import CONFIGS, FIRST_WORD
from hack.bench.workloads import CASES, LONGEST, MEAN, PROMPT_TOKENS, lognormal_lengths, make_workload


def test_lengths_are_a_lognormal_of_the_mean_that_is_said() -> None:
    """Mean 24, none beyond 48, more short ones than long ones, and drawn once: the same at every call."""
    lengths = lognormal_lengths(128)
    assert statistics.fmean(lengths) == pytest.approx(MEAN, abs=0.05)
    assert 1 <= min(lengths) < 6
    assert max(lengths) == LONGEST
    assert statistics.median(lengths) < MEAN
    assert lengths == lognormal_lengths(128)
    assert lengths != lognormal_lengths(128, seed=1)


@pytest.mark.parametrize("case", CASES)
def test_each_case_has_as_many_rows_and_tokens(case: str) -> None:
    """Only what a case is named after differs."""
    workload = make_workload(case)
    assert len(workload.prompts) == len(workload.lengths) == 128
    assert {len(prompt) for prompt in workload.prompts} == {PROMPT_TOKENS}
    assert workload.tokens == pytest.approx(128 * MEAN, rel=0.002)
    assert workload.ragged == (not case.endswith("equal"))
    assert workload.shared == (case != "g1")
    assert len(set(workload.prompts)) == (128 if case == "g1" else 16)
    words = range(FIRST_WORD, CONFIGS[workload.model]["vocab_size"])
    assert all(token in words for prompt in workload.prompts for token in prompt)


@pytest.mark.parametrize("case", ["lognormal", "tiny"])
def test_ours_without_a_gain_does_the_same_otherwise(case: str) -> None:
    """Without sharing only prompts differ, as long as before; to the longest, only lengths do."""
    workload = make_workload(case)
    unshared, longest = workload.unshared(), workload.to_longest()
    assert not unshared.shared
    assert unshared.lengths == workload.lengths
    assert [len(prompt) for prompt in unshared.prompts] == [len(prompt) for prompt in workload.prompts]
    assert max(max(prompt) for prompt in unshared.prompts) < CONFIGS[workload.model]["vocab_size"]
    assert longest.lengths == (LONGEST,) * 128
    assert longest.prompts == workload.prompts
