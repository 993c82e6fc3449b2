"""Which set a query belongs to: a hash of its text says so, and nothing else.

Place in the data's way: station 4. Pure. The seed, the run, the order of a file and the other queries have no say, so a
query stays on its side as data grows, every copy of it is on the same side, and all runs keep the same queries for
their tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum

from trainyard_trainer.answers import canonical
from trainyard_trainer.environment import Question

TEST_SHARE = 0.1
VALIDATION_SHARE = 0.1


class Split(StrEnum):
    """What a query is for."""

    TRAIN = "train"
    """Training: 80 %."""
    VALIDATION = "validation"
    """Early stopping and the best checkpoint: 10 %."""
    TEST = "test"
    """The measurement before and after, which nothing is chosen by: 10 %."""


def split_of(text: str) -> Split:
    """The set of the query with this text."""
    place = int.from_bytes(hashlib.sha256(canonical(text).encode()).digest()[:8])
    if place < TEST_SHARE * 2**64:
        return Split.TEST
    return Split.VALIDATION if place < (TEST_SHARE + VALIDATION_SHARE) * 2**64 else Split.TRAIN


def split_questions(questions: Iterable[Question]) -> dict[Split, tuple[Question, ...]]:
    """All three sets, each in the order of `questions`, copies included."""
    sets: dict[Split, list[Question]] = {split: [] for split in Split}
    for question in questions:
        sets[split_of(question.text)].append(question)
    return {split: tuple(members) for split, members in sets.items()}


def distinct(questions: Iterable[Question]) -> tuple[Question, ...]:
    """The first question of each text: a measurement asks a query once, for it is compared by query."""
    first: dict[str, Question] = {}
    for question in questions:
        first.setdefault(canonical(question.text), question)
    return tuple(first.values())
