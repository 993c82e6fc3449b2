"""Texts that have broken programs, and ways to break others."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

PIECES = (
    *("\ud83d", "\ude00", "\U0001f600", "\x00", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffd", "\uffff"),
    *("\n", "\r\n", "\r", "\t", " ", "\u00a0", "\u200b", "\u202e", "e\u0301", "\u00df", "\u0130", "\u0661", "\u00bd"),
    *("<|im_end|>", "<|im_start|>", "<|pad|>", "<|eot_id|>", "<|python_tag|>", "</s>", "[INST]", "<tool_call>"),
    *(
        "</tool_call>",
        "<think>",
        "</think>",
        "<function=f>",
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "%s",
        "{0}",
        "\\",
        "\\ud83d",
    ),
    *("0", "-0", "1e3", "1e999", "NaN", "Infinity", "1/3", "2026-01-31", "0x10", "1_000", "null", "true", "'", '"'),
    *("=", ":", ",", ";", "#", "&a", "*a", "!!python/object", "---", "...", "- ", "? ", "|", ">", "<<", "../", "~"),
)
WORST = ("\ud83d", "\x00", "\n", "<|im_end|>", "\u2028", "")
"""Those that have broken most."""
ANY_CHARACTER = st.characters()
"""Halves of surrogate pairs, too."""


def texts(most: int = 6) -> st.SearchStrategy[str]:
    """Draws short texts of odd pieces and any characters."""
    piece = (
        st.sampled_from(WORST)
        | st.sampled_from(PIECES)
        | st.text(ANY_CHARACTER, max_size=6)
        | st.text("abc 0123456789", max_size=8)
    )
    return st.lists(piece, max_size=most).map("".join)


@st.composite
def edited(
    draw: st.DrawFn, bases: Sequence[str], pieces: st.SearchStrategy[str], *, most: int = 5, longest: int = 30
) -> str:
    """Draws one of the bases after a few edits: something is taken out, put in, or copied from elsewhere in it."""
    text = draw(st.sampled_from(bases))
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + longest)))
        put = draw(pieces)
        if draw(st.booleans()):
            source = draw(st.integers(0, len(text)))
            put = text[source : source + draw(st.integers(0, longest))]
        text = text[:start] + put + text[end:]
    return text


@st.composite
def rearranged(draw: st.DrawFn, parts: Sequence[str], pieces: st.SearchStrategy[str], *, most: int = 4) -> str:
    """Draws the parts in a row after a few edits: one is taken out, doubled, moved, or put in another's place."""
    now = list(parts)
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, len(now)))
        other = draw(st.sampled_from(now)) if now else ""
        what = draw(st.sampled_from(("out", "twice", "instead", "piece", "swap")))
        if what == "out":
            del now[at : at + 1]
        elif what == "twice":
            now[at:at] = [other]
        elif what == "instead":
            now[at : at + 1] = [other]
        elif what == "piece":
            now[at : at + draw(st.integers(0, 1))] = [draw(pieces)]
        elif at + 1 < len(now):
            now[at], now[at + 1] = now[at + 1], now[at]
    return "".join(now)
