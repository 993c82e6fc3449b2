"""The story of a demo: what was said, and how long each phase took."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from hack.demo.phases import Story


def test_seconds_are_kept_of_a_phase_that_fails() -> None:
    """What took long until it failed is what one wants to know."""
    story = Story(Console(file=io.StringIO()))
    with pytest.raises(RuntimeError), story.phase("cluster"):
        raise RuntimeError
    assert story.seconds["cluster"] >= 0.0
    assert story.table().splitlines()[-1].startswith("total")


def test_the_transcript_holds_what_is_kept_and_no_markup_is_read() -> None:
    """A line like a list in brackets is printed as it is."""
    shown = io.StringIO()
    story = Story(Console(file=shown, highlight=False, soft_wrap=True))
    story.say("[red] apples")
    story.say("only now", keep=False)
    assert shown.getvalue() == "[red] apples\nonly now\n"
    assert story.transcript == ["[red] apples"]
