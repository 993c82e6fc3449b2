"""The split of queries into train, validation and test."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

from trainyard_trainer.data.splits import Split, canonical, distinct, split_of, split_questions
from trainyard_trainer.environment import Question

SUMS = [f"Q{left}{operator}{right};" for left in range(10, 100) for right in range(10, 100) for operator in "+-*"]


def test_shares_are_eighty_ten_ten() -> None:
    """Within one percent over 24,300 queries."""
    counts = Counter(map(split_of, SUMS))
    for split, share in ((Split.TRAIN, 0.8), (Split.VALIDATION, 0.1), (Split.TEST, 0.1)):
        assert abs(counts[split] / len(SUMS) - share) < 0.01


def test_the_test_set_is_the_lowest_tenth_of_the_hash() -> None:
    """As it has always been for the calculator's questions, so measurements of earlier runs stay comparable."""
    for text in SUMS:
        lowest = int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) < 0.1 * 2**64
        assert (split_of(text) is Split.TEST) == lowest


def test_a_query_stays_where_it_is_as_data_grows() -> None:
    """The sets of a file are parts of the sets of a longer file in another order."""
    questions = [Question(text, "0") for text in SUMS[:4000]]
    some, more = split_questions(questions[1000:2000]), split_questions(questions[::-1])
    for split in Split:
        assert set(some[split]) <= set(more[split])
    assert sum(map(len, more.values())) == 4000


def test_every_process_splits_alike() -> None:
    """Python's own hash differs from process to process; this one doesn't."""
    code = (
        "from trainyard_trainer.data.splits import split_of\n"
        "print(*(split_of(f'question {number}') for number in range(200)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert told == [split_of(f"question {number}") for number in range(200)]


def test_copies_are_on_one_side() -> None:
    """Also those that a reader can't tell apart: composed or decomposed accents, white space around."""
    for number in range(200):
        text = f"Wie groß ist die Höhe von Café {number}?"
        decomposed = text.replace("ö", "o\u0308").replace("é", "e\u0301")
        assert decomposed != text
        assert split_of(f"  {decomposed}\r\n") is split_of(text)
    assert canonical("x²") != canonical("x2")
    assert canonical("b") != canonical("B")


def test_measurements_ask_each_query_once() -> None:
    """The first of several copies is asked."""
    questions = [Question("a", "1"), Question("b", "2"), Question("a ", "3")]
    assert distinct(questions) == (Question("a", "1"), Question("b", "2"))
