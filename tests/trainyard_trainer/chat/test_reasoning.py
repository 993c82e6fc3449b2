"""What a policy thinks aloud is neither a call nor an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainyard_trainer.chat.reasoning import KNOWN, THINK, Marks, is_open, marks_of, without_reasoning


@pytest.mark.parametrize(
    ("text", "begun", "said"),
    [
        ("It is 2.", False, "It is 2."),
        ("<think>maybe 3</think>2", False, "2"),
        ("maybe 3</think>2", True, "2"),
        ("maybe 3</think>2", False, "2"),
        ("<think>maybe 3", False, ""),
        ("maybe 3", True, ""),
        ("2<think>or 3", False, ""),
        ("<think>a</think>call<think>b</think>2", False, "call2"),
        ("<think>a<think>b</think>2", False, "2"),
        ("<think></think>", False, ""),
        ("a</think>b</think>2", False, "2"),
        ("<think>a</think>b<think>c", False, ""),
        ("", False, ""),
        ("", True, ""),
    ],
)
def test_reasoning_is_cut(text: str, begun: bool, said: str) -> None:
    """Wherever it stands, whoever opened it; one that is never closed leaves nothing said."""
    assert without_reasoning(text, THINK, begun=begun) == said


@pytest.mark.parametrize("marks", KNOWN)
def test_each_familys_marks_are_found_in_its_template(marks: Marks) -> None:
    """And cut; a template without any may still have a policy that thinks."""
    template = f"{{{{ '{marks.opening}' + reasoning + '{marks.closing}' }}}}"
    assert marks_of(template) == marks
    assert without_reasoning(f"{marks.opening}3{marks.closing}2", marks_of(template), begun=False) == "2"
    assert marks_of("{{ content }}") == THINK


def test_a_template_may_open_the_reasoning() -> None:
    """The last mark counts."""
    assert is_open("user: a\nassistant: <think>\n", THINK)
    assert not is_open("assistant: <think>\n\n</think>\n\n", THINK)
    assert not is_open("assistant: ", THINK)


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", "<thi", "nk>", "1"])).map("".join), st.booleans())
def test_what_is_said_holds_no_reasoning(text: str, begun: bool) -> None:
    """It is a part of what was written, and ends as that does unless it is empty."""
    said = without_reasoning(text, THINK, begun=begun)
    assert text.endswith(said[-1:])
    if text.endswith("<think>") or (begun and "</think>" not in text):
        assert said == ""


def test_a_turn_of_nothing_but_marks_is_read_in_one_pass() -> None:
    """As a policy that says one thing for ever writes it; marks are searched for once, not once a mark."""
    for text in ("</think>" * 100_000, "<think>" * 100_000, "<think>a</think>b" * 50_000):
        said = without_reasoning(text, THINK, begun=False)
        assert said == ("b" * 50_000 if "b" in text else "")
