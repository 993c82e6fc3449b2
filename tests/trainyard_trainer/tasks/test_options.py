"""Options of a task are texts, and each text that can't be meant is refused with its field."""

from __future__ import annotations

import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.options import choice, choices, invalid, whole_number


def test_absent_options_have_their_defaults() -> None:
    """A number, the first word, all words."""
    assert whole_number({}, "digits", 3, 1, 9) == 3
    assert choice({}, "way", ("a", "b")) == "a"
    assert choices({}, "ways", ("a", "b")) == ("a", "b")


def test_words_are_in_the_order_in_which_they_are_known() -> None:
    """However they are written; each once."""
    assert choices({"ways": " c,a, c"}, "ways", ("a", "b", "c")) == ("a", "c")
    assert choice({"way": "b"}, "way", ("a", "b")) == "b"


@pytest.mark.parametrize("text", ["", "0", "10", "-1", "+3", "3.0", " 3", "\u0663", "1" * 5000])
def test_what_is_no_whole_number_between_the_bounds_is_refused(text: str) -> None:
    """Signs, blanks, other scripts' digits, and numbers that are too long to look at."""
    with pytest.raises(RefusedError, match=r"^spec\.task\.options\.digits: must be a whole number from 1 to 9; got "):
        whole_number({"digits": text}, "digits", 3, 1, 9)


def test_unknown_words_are_refused_with_the_known_ones() -> None:
    """The reason is the contract's."""
    with pytest.raises(RefusedError, match="must be one of a, b; got 'c'"):
        choice({"way": "c"}, "way", ("a", "b"))
    with pytest.raises(RefusedError, match="must be some of a, b, parted by commas; got 'a,'"):
        choices({"ways": "a,"}, "ways", ("a", "b"))
    assert invalid("way", "must be good", "bad").reason is TerminationReason.INVALID_OPTION
