"""A token is drawn by inverse CDF, from what the filters leave."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainyard_trainer.sampling.in_process import drawing
from trainyard_trainer.sampling.in_process.drawing import Drawn, Filters, draw_tokens


def draw(logits: list[float], uniform: float, temperature: float = 1.0) -> tuple[int, float]:
    """One token and its log-probability."""
    drawn = draw_tokens(
        torch.tensor([logits]), torch.tensor([uniform], dtype=torch.float64), torch.tensor([temperature])
    )
    return int(drawn.tokens[0]), float(drawn.logprobs[0])


def filtered(probabilities: list[float], uniform: float, top_k: int | None = None, top_p: float | None = None) -> Drawn:
    """One token of what a filter leaves."""
    filters = Filters.of([top_k], [top_p], len(probabilities), torch.device("cpu"))
    logits = torch.tensor([probabilities]).log()
    return draw_tokens(logits, torch.tensor([uniform], dtype=torch.float64), None, filters)


def test_tokens_follow_the_inverse_cdf() -> None:
    """Of probabilities .5, .25, .25 the uniform numbers .49, .51 and .76 draw the first, second and third token."""
    logits = [math.log(0.5), math.log(0.25), math.log(0.25)]
    assert [draw(logits, uniform)[0] for uniform in (0.0, 0.49, 0.51, 0.74, 0.76)] == [0, 0, 1, 1, 2]
    assert draw(logits, 0.6)[1] == pytest.approx(math.log(0.25), abs=1e-6)


@pytest.mark.parametrize("copies", [1, 2000], ids=["narrow", "wide"])
def test_a_token_without_mass_is_never_drawn(copies: int) -> None:
    """Neither at either end nor in between, however close to 1 the number comes."""
    logits = [-math.inf, 0.0, -math.inf, 0.0, -math.inf] * copies
    drawn = {draw(logits, uniform)[0] % 5 for uniform in (0.0, 0.25, 0.5, 0.75, 1 - 2**-53)}
    assert drawn == {1, 3}


@pytest.mark.parametrize("copies", [1, 2000], ids=["narrow", "wide"])
def test_logits_that_are_no_numbers_are_seen_in_the_log_probability(copies: int) -> None:
    """A token is drawn, so that its neighbours can go on; its log-probability is NaN."""
    token, logprob = draw([0.0, math.nan, 0.0] * copies, 0.7)
    assert 0 <= token < 3 * copies
    assert math.isnan(logprob)


def test_logprobs_are_those_of_the_tempered_distribution() -> None:
    """At temperature 0.5, probability ratios are squared."""
    assert draw([0.0, math.log(3.0)], 0.99, temperature=0.5)[1] == pytest.approx(math.log(0.9), abs=1e-6)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), size=st.integers(drawing.WIDE + 1, drawing.WIDE + 600))
def test_wide_vocabularies_are_drawn_from_as_narrow_ones(seed: int, size: int) -> None:
    """In blocks or at once, the token is the first whose float64 cumulative sum exceeds the number."""
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.normal(0, 4, size=(3, size)).astype(np.float32))
    uniform = torch.from_numpy(random.random(3))
    drawn = draw_tokens(logits, uniform)
    mass = torch.softmax(logits, dim=-1).double().numpy()
    for row in range(3):
        cumulated = np.cumsum(mass[row])
        expected = int(np.searchsorted(cumulated, float(uniform[row]) * cumulated[-1], side="right"))
        assert int(drawn.tokens[row]) == expected
        assert float(drawn.logprobs[row]) == pytest.approx(math.log(mass[row, expected] / cumulated[-1]), abs=1e-6)


def test_a_row_draws_the_same_whatever_rows_are_beside_it() -> None:
    """Token and log-probability are equal bit for bit, alone and in the middle of a batch."""
    logits, uniform = torch.randn(9, 5000, generator=torch.Generator().manual_seed(0)), torch.rand(9).double()
    together, alone = draw_tokens(logits, uniform), draw_tokens(logits[4:5], uniform[4:5])
    assert (together.tokens[4], together.logprobs[4]) == (alone.tokens[0], alone.logprobs[0])


def test_top_k_leaves_the_most_probable_and_renormalises() -> None:
    """Of .4, .1, .3, .2 the best two are drawn with 4/7 and 3/7; those as probable as the last stay with it."""
    drawn = filtered([0.4, 0.1, 0.3, 0.2], 0.99, top_k=2)
    assert (int(drawn.tokens[0]), drawn.support(0)) == (2, (0, 2))
    assert float(drawn.logprobs[0]) == pytest.approx(math.log(3 / 7), abs=1e-6)
    assert filtered([0.1, 0.3, 0.3, 0.3], 0.99, top_k=2).support(0) == (1, 2, 3)


@pytest.mark.parametrize(("top_p", "support"), [(0.3, (0,)), (0.41, (0, 2)), (0.7, (0, 2)), (0.71, (0, 2, 3))])
def test_top_p_leaves_the_fewest_that_reach_the_sum(top_p: float, support: tuple[int, ...]) -> None:
    """The token that crosses the sum stays; at least one does."""
    assert filtered([0.4, 0.1, 0.3, 0.2], 0.0, top_p=top_p).support(0) == support


def test_top_p_counts_what_top_k_left() -> None:
    """Of the best two, .4 and .3, the first alone has 4/7 of their mass."""
    assert filtered([0.4, 0.1, 0.3, 0.2], 0.0, top_k=2, top_p=0.55).support(0) == (0,)
    assert filtered([0.4, 0.1, 0.3, 0.2], 0.0, top_k=2, top_p=0.6).support(0) == (0, 2)


def test_a_row_without_a_filter_is_not_cut() -> None:
    """Beside a filtered one, it keeps all its tokens, and says so."""
    filters = Filters.of([1, None], [None, None], 4, torch.device("cpu"))
    logits = torch.tensor([[0.0, 2.0, 1.0, 0.0]] * 2)
    drawn = draw_tokens(logits, torch.tensor([0.99, 0.99], dtype=torch.float64), None, filters)
    assert drawn.tokens.tolist() == [1, 3]
    assert [drawn.support(row) for row in range(2)] == [(1,), None]
    assert Filters.of([None], [None], 4, torch.device("cpu")) is None


@pytest.mark.parametrize(("top_k", "top_p"), [(None, 1.0), (9_000, None), (10**6, 1.0)])
def test_a_filter_that_leaves_everything_is_none(top_k: int | None, top_p: float | None) -> None:
    """Alone, and beside a filtered row: no token of the long tail is cut by rounding, so no support is kept."""
    assert Filters.of([top_k], [top_p], 9_000, torch.device("cpu")) is None
    filters = Filters.of([top_k, 3], [top_p, None], 9_000, torch.device("cpu"))
    logits = 4 * torch.randn(2, 9_000, generator=torch.Generator().manual_seed(0))
    drawn = draw_tokens(logits, torch.tensor([0.5, 0.5], dtype=torch.float64), None, filters)
    assert drawn.support(0) is None
    assert len(drawn.support(1) or ()) == 3


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), top_k=st.none() | st.integers(1, 60), top_p=st.none() | st.floats(0.01, 1.0))
def test_filters_leave_what_a_sorted_list_says(seed: int, top_k: int | None, top_p: float | None) -> None:
    """However many tokens are looked at first, beside rows with other filters or none."""
    logits = torch.from_numpy(np.random.default_rng(seed).normal(0, 2, size=(3, 50)).astype(np.float32))
    filters = Filters.of([top_k, None, 3], [top_p, None, 0.5], 50, torch.device("cpu"))
    assert filters is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "NUCLEUS", 4)
        drawn = draw_tokens(logits, torch.full((3,), 0.5, dtype=torch.float64), None, filters)
    mass = torch.softmax(logits, dim=-1).double().numpy()
    for row, (k, p) in enumerate([(top_k, top_p), (None, None), (3, 0.5)]):
        order = np.argsort(-mass[row])[: k or 50]
        before = np.cumsum(mass[row][order]) - mass[row][order]
        expected = {int(one) for one in order[before < (p or 2.0) * mass[row][order].sum()]}
        kept = drawn.support(row)
        # A sum that reaches the share but for rounding may count either way.
        assert len(expected.symmetric_difference(range(50) if kept is None else kept)) <= (1 if p else 0)
