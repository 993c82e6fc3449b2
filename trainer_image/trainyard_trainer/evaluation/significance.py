"""Concludes from two measurements of the same queries whether they differ.

Place in the data's way: station 5, after the last measurement. Pure: numbers in, a conclusion out; it knows nothing of
trajectories. Everything is float64. The same answers give the same conclusion, for random draws have a seed of their
own.

The unit is the query. Its success rate is the mean of its samples, and every query weighs the same. The word follows
from the p-value alone; the interval says how large the difference may be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainyard_api.progress import Verdict

ALPHA = 0.05
"""Level of the two-sided tests."""
DRAWS = 10_000
"""Random sign flips of the permutation test, and resamples of the bootstrap."""
MIN_QUERIES = math.ceil(1 - math.log2(ALPHA))
"""Fewest queries that can ever be significant, 6: even if all n differ in the same direction, p is 2 * 0.5**n."""

TestName = Literal["McNemar", "SignFlip"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Holds what one query gave in one measurement.

    `successes` has a 0 or 1 for each answer that got a verdict; answers that failed aren't in it.
    """

    query: str
    successes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Says what two measurements of the same queries show.

    `difference` is candidate less baseline, with its 95 % interval.
    """

    difference: float
    interval_low: float
    interval_high: float
    p_value: float
    test: TestName
    verdict: Verdict


def compare(baseline: Sequence[Outcome], candidate: Sequence[Outcome], seed: int = 0) -> Comparison:
    """Compares two measurements, paired by query; a query without a verdict in one of them is left out.

    With one answer per query everywhere the test is McNemar's, else it is a sign-flip permutation test.

    Args:
        baseline: what is compared with; each query once.
        candidate: what may have improved.
        seed: of the random draws.

    Raises:
        ValueError: a query occurs twice in a measurement, a success is neither 0 nor 1, or not one query has a verdict
            in both.
    """
    before, after = _by_query(baseline, "baseline"), _by_query(candidate, "candidate")
    common = sorted(before.keys() & after.keys())  # the order decides which draw meets which query
    if not common:
        raise ValueError(
            f"measurements can be compared only on queries with a verdict in both; got {len(before)} in the baseline "
            f"and {len(after)} in the candidate, none of them the same"
        )
    rates = [(_rate(before[query]), _rate(after[query])) for query in common]
    # Exact up to here, so that equal differences are equal numbers below.
    differences = np.array([float(new - old) for old, new in rates], dtype=np.float64)
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    paired = all(len(measured[query].successes) == 1 for measured in (before, after) for query in common)
    p_value = mcnemar(better, worse) if paired else sign_flip(differences, seed)
    low, high = bootstrap_interval(differences, seed)
    return Comparison(
        difference=float(sum(new - old for old, new in rates) / len(rates)),
        interval_low=low,
        interval_high=high,
        p_value=p_value,
        test="McNemar" if paired else "SignFlip",
        verdict=verdict(len(common), differences.mean(), p_value),
    )


def verdict(queries: int, difference: float, p_value: float) -> Verdict:
    """Chooses the word: too few queries to ever tell, no evidence (p >= 0.05), or the direction of the difference."""
    if queries < MIN_QUERIES:
        return Verdict.TOO_FEW_QUERIES
    if p_value >= ALPHA:
        return Verdict.NO_EVIDENCE
    return Verdict.IMPROVED if difference > 0 else Verdict.WORSE


def mcnemar(better: int, worse: int) -> float:
    """Computes the two-sided p-value of McNemar's test (1947) in its exact form, for one answer per query.

    Queries answered alike both times say nothing. Without a true difference each of the others falls on either side
    with probability 1/2, so their number on one side is binomial. Computed in integers.

    Args:
        better: queries that only the candidate answered rightly.
        worse: queries that only the baseline answered rightly.
    """
    discordant = better + worse
    term = tail = 1
    for chosen in range(min(better, worse)):
        term = term * (discordant - chosen) // (chosen + 1)
        tail += term
    return min(1.0, float(Fraction(2 * tail, 2**discordant)))


def sign_flip(differences: NDArray[np.float64], seed: int, draws: int = DRAWS) -> float:
    """Computes the two-sided p-value of a permutation test on paired differences.

    Without a true difference each could as well have the other sign (Good, Permutation, Parametric and Bootstrap Tests
    of Hypotheses, 2005). It is (1 + n) / (1 + draws), never 0: n counts the random sign patterns whose sum is at least
    as far from 0 as the one seen. Of m differences of one size, the number that stay positive is binomial (m, 1/2), so
    a draw takes one number per size, not one per query.

    Args:
        differences: one per query; shape [n].
        seed: of the draws.
        draws: random sign patterns.
    """
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    random = np.random.default_rng((seed, 1))
    positive = random.binomial(counts, 0.5, size=(draws, len(sizes)))
    sums = np.abs((2 * positive - counts) @ sizes)
    # Sums that are equal on paper may differ in their last bits.
    at_least = sums >= abs(differences.sum()) - 1e-9
    return float((1 + at_least.sum()) / (1 + draws))


def bootstrap_interval(
    differences: NDArray[np.float64], seed: int, resamples: int = DRAWS, level: float = 1 - ALPHA
) -> tuple[float, float]:
    """Computes the percentile interval of the mean difference under resampling of whole queries (Efron, 1979).

    BCa has no value where all differences are equal, and a mean of bounded differences has little bias or skew to
    correct. How often each distinct difference is drawn is multinomial, so a resample takes one number per distinct
    value, not one per query.

    Args:
        differences: one per query, at least one; shape [n].
        seed: of the draws.
        resamples: how many.
        level: share of resamples inside.
    """
    values, counts = np.unique(differences, return_counts=True)
    random = np.random.default_rng((seed, 2))
    drawn = random.multinomial(len(differences), counts / len(differences), size=resamples)
    low, high = np.quantile(drawn @ values / len(differences), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _by_query(outcomes: Sequence[Outcome], name: str) -> Mapping[str, Outcome]:
    """Maps outcomes with at least one verdict by query."""
    found: dict[str, Outcome] = {}
    for outcome in outcomes:
        if outcome.query in found:
            raise ValueError(f"a query may occur once in the {name}; got twice {outcome.query!r}")
        if not set(outcome.successes) <= {0, 1}:
            raise ValueError(f"a success is 0 or 1; the {name} has {outcome.successes} for {outcome.query!r}")
        found[outcome.query] = outcome
    return {query: outcome for query, outcome in found.items() if outcome.successes}


def _rate(outcome: Outcome) -> Fraction:
    return Fraction(sum(outcome.successes), len(outcome.successes))
