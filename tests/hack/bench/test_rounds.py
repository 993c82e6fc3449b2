"""Figures of a table follow from rounds, each of which had every engine once."""

from __future__ import annotations

import pytest

from hack.bench.rounds import Rounds, alternated, markdown

ROUNDS = Rounds({"slow": [10.0, 40.0, 10.0], "ours": [4.0, 16.0, 2.0], "less": [7.0, 28.0, 4.0]})


def test_engines_take_turns_and_the_first_round_is_not_timed() -> None:
    """A slow minute hits all of them."""
    called: list[str] = []
    measured = alternated({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 2, "wall")
    assert called == ["a", "b"] * 3
    assert {name: len(seconds) for name, seconds in measured.seconds.items()} == {"a": 2, "b": 2}


def test_a_slow_round_moves_neither_median_nor_ratio() -> None:
    """Ratios are taken round by round."""
    assert ROUNDS.median("slow") == 10.0
    assert ROUNDS.spread("ours") == "4.00 (2.00-16.00)"
    assert ROUNDS.speedup("ours", "slow") == 2.5
    assert ROUNDS.speedup("slow", "slow") == 1.0


def test_a_share_is_what_is_lost_of_what_is_saved() -> None:
    """Of 6 s saved 3 are lost; of 24, 12; of 8, 2. What saves nothing has no shares."""
    assert ROUNDS.share("ours", "slow", "less") == pytest.approx(0.5)
    assert ROUNDS.share("slow", "ours", "less") is None


def test_columns_line_up() -> None:
    """A table that reads well as it is, too."""
    lines = markdown(["engine", "s"], [["ours", "1.0"], ["another", "12.0"]])
    assert lines == ["| engine  |    s |", "| ------- | ---: |", "| ours    |  1.0 |", "| another | 12.0 |"]
