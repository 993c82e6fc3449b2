"""What a policy says, without what it thinks aloud.

Place in the data's way: station 5, before tool calls and answers are read. A call inside the reasoning was only thought
of, and a number in it is no answer. Pure.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Marks(NamedTuple):
    """Holds the texts around a model's reasoning."""

    opening: str
    closing: str


THINK: Final = Marks("<think>", "</think>")
KNOWN: Final = (THINK, Marks("[THINK]", "[/THINK]"), Marks("<|START_THINKING|>", "<|END_THINKING|>"))
"""Of Qwen3, DeepSeek-R1 and most others; of Mistral; of Cohere."""


def marks_of(template: str) -> Marks:
    """Finds the marks of reasoning that a chat template writes; `<think>` where it writes none."""
    return next((marks for marks in KNOWN if marks.closing in template), THINK)


def is_open(written: str, marks: Marks) -> bool:
    """Says whether a template's text ends inside a reasoning, which the policy then continues."""
    return written.rfind(marks.opening) > written.rfind(marks.closing)


def without_reasoning(text: str, marks: Marks, *, begun: bool) -> str:
    """Returns what is said outside of the reasoning; an empty text where the last reasoning isn't closed.

    A closing mark that nothing opened closes what stands before it: the template may have opened it.

    Args:
        text: all that a policy wrote in a turn.
        marks: around the reasoning.
        begun: whether the template has opened it.
    """
    said: list[str] = []
    inside, at = begun, 0
    for mark in re.finditer(f"{re.escape(marks.opening)}|{re.escape(marks.closing)}", text):
        if mark[0] == marks.closing:
            said = said if inside else []
            inside, at = False, mark.end()
        elif not inside:
            said.append(text[at : mark.start()])
            inside = True
    return "" if inside else "".join(said) + text[at:]
