"""Odd texts are odd in the ways that have broken programs."""

from __future__ import annotations

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from hack.fuzz.texts import WORST, edited, rearranged, texts


@pytest.mark.parametrize("worst", WORST)
def test_the_worst_are_soon_among_them(worst: str) -> None:
    """Half a surrogate pair, a null, a line's end, a control token, and nothing at all."""
    assert find(texts(), lambda text: worst in text if worst else not text) == worst


@given(edited(["abcdef"], st.just("X"), most=0))
def test_without_an_edit_a_base_is_itself(text: str) -> None:
    """Programs must take what is good, too."""
    assert text == "abcdef"


def test_edits_take_out_put_in_and_copy() -> None:
    """Each of them is soon drawn; the smallest that is found shows it."""
    texts_ = edited(["abcdef"], st.just("X"))
    assert find(texts_, lambda text: "a" in text and len(text) < 6 and "X" not in text)
    assert find(texts_, lambda text: text.replace("X", "") == "abcdef" and "X" in text)
    assert find(texts_, lambda text: text.count("ab") == 2)


@given(rearranged(["{% if %}", "x", "{% endif %}"], st.just("{{ y }}")))
def test_parts_are_never_cut(text: str) -> None:
    """What is out of order is whole, or a parser would stop at the first character."""
    for part in ("{% if %}", "x", "{% endif %}", "{{ y }}"):
        text = text.replace(part, "")
    assert text == ""
