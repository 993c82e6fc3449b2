"""Conclusions from two measurements: right p-values, honest words, pairs by query."""

from __future__ import annotations

import itertools
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from trainyard_api.progress import Verdict
from trainyard_trainer.evaluation.significance import (
    DRAWS,
    MIN_QUERIES,
    Outcome,
    bootstrap_interval,
    compare,
    mcnemar,
    sign_flip,
    verdict,
)


def outcomes(successes: Sequence[Sequence[int]]) -> list[Outcome]:
    """Queries q0, q1, ... with these answers."""
    return [Outcome(f"q{number}", tuple(int(one) for one in row)) for number, row in enumerate(successes)]


def measured(random: np.random.Generator, chances: np.ndarray, samples: int) -> list[Outcome]:
    """A measurement of queries that are answered rightly with these probabilities."""
    return outcomes((random.random((len(chances), samples)) < chances[:, None]).astype(int).tolist())


def signs_p_value(differences: list[float]) -> float:
    """The exact permutation p-value, by trying every pattern of signs."""
    seen = abs(math.fsum(differences))
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    sums = [abs(math.fsum(s * d for s, d in zip(signs, differences, strict=True))) for signs in patterns]
    return sum(value >= seen - 1e-9 for value in sums) / len(patterns)


@pytest.mark.parametrize("samples", [1, 4])
def test_without_a_true_difference_it_seldom_says_improved(samples: int) -> None:
    """Of 200 pairs of measurements with the same chances at most 5 % are called improved, and as many worse or improved
    together as a binomial with 5 % allows (its 99.9 % quantile is 21), with McNemar's test and with sign flips.
    """
    words = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        chances = random.beta(2, 2, size=128)
        comparison = compare(measured(random, chances, samples), measured(random, chances, samples), seed)
        words.append(comparison.verdict)
        assert comparison.test == ("McNemar" if samples == 1 else "SignFlip")
    assert words.count(Verdict.IMPROVED) <= 0.05 * 200
    assert words.count(Verdict.IMPROVED) + words.count(Verdict.WORSE) <= 21
    assert words.count(Verdict.NO_EVIDENCE) >= 179


@pytest.mark.parametrize("samples", [1, 4])
def test_a_true_difference_is_mostly_seen(samples: int) -> None:
    """A rise of 0.15 on 512 queries is called improved in at least 95 of 100 runs, a fall of 0.15 worse."""
    words: dict[float, list[Verdict]] = {0.15: [], -0.15: []}
    for seed, rise in itertools.product(range(50), words):
        random = np.random.default_rng(seed)
        chances = random.uniform(0.15, 0.85, size=512)
        comparison = compare(measured(random, chances, samples), measured(random, chances + rise, samples), seed)
        assert comparison.difference == pytest.approx(rise, abs=0.12)
        words[rise].append(comparison.verdict)
    assert words[0.15].count(Verdict.IMPROVED) + words[-0.15].count(Verdict.WORSE) >= 95
    assert Verdict.WORSE not in words[0.15]


def test_mcnemar_is_the_exact_binomial() -> None:
    """Against the sum over all outcomes that are no likelier than the one seen, for all counts below 12."""
    for better, worse in itertools.product(range(12), repeat=2):
        count = better + worse
        slow = sum(math.comb(count, k) for k in range(count + 1) if math.comb(count, k) <= math.comb(count, better))
        assert mcnemar(better, worse) == pytest.approx(slow / 2**count, rel=1e-12)
    assert mcnemar(0, 0) == mcnemar(7, 7) == 1.0
    assert mcnemar(1, 9) == mcnemar(9, 1) == pytest.approx(22 / 1024)
    assert 0.0 < mcnemar(0, 1000) < 1e-300


def test_sign_flips_agree_with_all_patterns() -> None:
    """The drawn p-value is within four standard errors of that over all 2**n patterns of signs, ties included."""
    random = np.random.default_rng(0)
    for size in (1, 4, 9, 12):
        for samples in (2, 3):
            differences = (random.integers(-samples, samples + 1, size=size) / samples).tolist()
            exact = signs_p_value(differences)
            drawn = sign_flip(np.array(differences), seed=0)
            assert abs(drawn - exact) <= 4 * math.sqrt(exact * (1 - exact) / 10_000) + 2e-4


def test_a_p_value_is_never_zero_nor_above_one() -> None:
    """(1 + n) / (1 + draws): 1/10,001 where no pattern comes near, 1 where nothing differs."""
    assert sign_flip(np.ones(200), seed=0) == 1 / 10_001
    assert sign_flip(np.zeros(200), seed=0) == 1.0


def test_both_tests_agree_on_one_sample() -> None:
    """With single answers the permutation test estimates McNemar's p-value."""
    differences = np.array([1.0] * 30 + [-1.0] * 16 + [0.0] * 50)
    assert sign_flip(differences, seed=3) == pytest.approx(mcnemar(30, 16), abs=0.01)


def test_the_interval_covers_the_true_difference() -> None:
    """About 95 % of 400 intervals contain it: at least 91 %, at most 99 %."""
    covered = 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        chances = random.uniform(0.1, 0.8, size=100)
        comparison = compare(measured(random, chances, 2), measured(random, chances + 0.1, 2), seed)
        covered += comparison.interval_low <= 0.1 <= comparison.interval_high
        assert comparison.interval_low <= comparison.difference <= comparison.interval_high
    assert 0.91 <= covered / 400 <= 0.99


def test_the_interval_is_that_of_resampled_queries() -> None:
    """Drawing counts of distinct values gives the quantiles that drawing queries one by one gives."""
    random = np.random.default_rng(0)
    differences = random.integers(-4, 5, size=60) / 4
    means = differences[random.integers(60, size=(40_000, 60))].mean(axis=1)
    assert bootstrap_interval(differences, seed=1) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)
    assert bootstrap_interval(np.full(9, 0.5), seed=1) == (0.5, 0.5)


@pytest.mark.parametrize("samples", [1, 2])
def test_too_few_queries_are_said_to_be_too_few(samples: int) -> None:
    """Five queries can't be significant, even if all improve (p = 1/16); six can (p = 1/32)."""
    assert MIN_QUERIES == 6
    for count, word in ((5, Verdict.TOO_FEW_QUERIES), (6, Verdict.IMPROVED)):
        comparison = compare(outcomes([[0] * samples] * count), outcomes([[1] * samples] * count))
        assert comparison.verdict is word
        assert (comparison.p_value < 0.05) == (count == 6)
    assert compare(outcomes([[1]] * 6), outcomes([[0]] * 6)).verdict is Verdict.WORSE


def test_the_word_follows_from_the_p_value_alone() -> None:
    """Below 0.05 and not at it; then the difference says which way."""
    assert verdict(MIN_QUERIES, 0.9, 0.05) is Verdict.NO_EVIDENCE
    assert verdict(MIN_QUERIES, 0.001, 0.0499) is Verdict.IMPROVED
    assert verdict(MIN_QUERIES, -0.9, 0.0499) is Verdict.WORSE
    assert verdict(MIN_QUERIES - 1, 0.9, 0.0) is Verdict.TOO_FEW_QUERIES


@pytest.mark.parametrize(("samples", "test"), [(1, "McNemar"), (4, "SignFlip")])
def test_a_comparison_says_its_test_and_what_that_found(samples: int, test: str) -> None:
    """McNemar's for one answer per query, else sign flips; the interval is the bootstrap's in either case."""
    random = np.random.default_rng(3)
    before, after = (measured(random, np.full(40, chance), samples) for chance in (0.4, 0.6))
    found = compare(before, after, seed=7)
    changes = np.array([np.mean(b.successes) - np.mean(a.successes) for a, b in zip(before, after, strict=True)])
    in_order = changes[np.argsort([one.query for one in before])]
    exact = mcnemar(int((changes > 0).sum()), int((changes < 0).sum()))
    assert found.test == test
    assert found.p_value == pytest.approx(exact if samples == 1 else sign_flip(in_order, 7), rel=1e-12)
    assert (found.p_value == pytest.approx(exact)) == (samples == 1)
    assert (found.interval_low, found.interval_high) == pytest.approx(bootstrap_interval(in_order, 7))


def test_a_stored_measurement_gives_the_same_conclusion_in_every_release() -> None:
    """Random draws are part of it: the streams and their seeds don't change, nor does the seed that nobody named."""
    random = np.random.default_rng(11)
    before, after = (measured(random, np.full(30, chance), 4) for chance in (0.4, 0.55))
    found = compare(before, after)
    assert found == compare(before, after, seed=0)
    shown = (found.difference, found.interval_low, found.interval_high, found.p_value)
    assert shown == pytest.approx((0.075, -1 / 15, 5 / 24, 3643 / 10_001), rel=1e-9)


def test_pairs_are_made_by_query_not_by_place() -> None:
    """Another order changes nothing; queries with a verdict in one measurement only are left out."""
    before = outcomes([[0], [0], [1], [1], [0], [0], [0], [1]])
    after = outcomes([[1], [0], [1], [0], [1], [1], [1], [1]])
    whole = compare(before, after)
    assert compare(before[::-1], after[3:] + after[:3]) == whole
    assert (whole.difference, whole.p_value) == (3 / 8, mcnemar(better=4, worse=1))

    more = [*before, Outcome("only before", (1,)), Outcome("failed", ())]
    part = compare(more, [*after[1:], Outcome("failed", (1,)), Outcome("failed twice", ())])
    assert part.difference == pytest.approx(2 / 7)


def test_every_query_weighs_the_same() -> None:
    """One that lost answers to failures counts as much as a whole one."""
    comparison = compare(
        [Outcome("a", (0, 0, 0, 1)), Outcome("b", (1,))],
        [Outcome("a", (1, 1)), Outcome("b", (1, 0, 1))],
    )
    assert comparison.difference == pytest.approx((0.75 - 1 / 3) / 2)
    assert comparison.test == "SignFlip"


def test_what_cannot_be_compared_is_an_error() -> None:
    """No common query, a query twice, a success that is neither 0 nor 1."""
    with pytest.raises(ValueError, match="got 1 in the baseline and 2 in the candidate, none of them the same"):
        compare([Outcome("a", (1,))], [Outcome("b", (1,)), Outcome("c", (0,)), Outcome("a", ())])
    with pytest.raises(ValueError, match="none of them the same"):
        compare([], [])
    with pytest.raises(ValueError, match="may occur once in the candidate; got twice 'a'"):
        compare([Outcome("a", (1,))], [Outcome("a", (1,)), Outcome("a", (0,))])
    with pytest.raises(ValueError, match="may occur once in the baseline; got twice 'a'"):
        compare([Outcome("a", (1,)), Outcome("a", (0,))], [Outcome("a", (1,))])
    with pytest.raises(ValueError, match="a success is 0 or 1"):
        compare([Outcome("a", (2,))], [Outcome("a", (1,))])


def test_the_same_answers_give_the_same_conclusion() -> None:
    """All draws are seeded."""
    random = np.random.default_rng(1)
    before, after = (measured(random, np.full(512, 0.5), 8) for _ in range(2))
    first = compare(before, after, seed=5)
    assert compare(before, after, seed=5) == first
    assert compare(before, after, seed=6).interval_low != first.interval_low


@pytest.mark.parametrize("drawing", [sign_flip, bootstrap_interval])
def test_no_draw_calls_a_function_of_its_own(drawing: Callable[..., object]) -> None:
    """Ten thousand draws take milliseconds because numpy makes them together; calls are counted, not time."""
    differences = np.random.default_rng(1).integers(-8, 9, 512) / 8
    calls = Counter()
    sys.setprofile(lambda _frame, event, _argument: calls.update([event]))
    try:
        drawing(differences, 5)
    finally:
        sys.setprofile(None)
    assert calls["call"] + calls["c_call"] < DRAWS / 10
