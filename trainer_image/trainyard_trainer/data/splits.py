"""Which set a question belongs to: a hash of its text says so, and nothing else.

Place in the data's way: station 4. Pure. The seed, the run, the order of a file and the other questions have no say, so
a question stays on its side as data grows, every copy of it is on the same side, and all runs keep the same questions
for their tests.
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
    """What a question is for."""

    TRAIN = "train"
    """Training: 80 %."""
    VALIDATION = "validation"
    """Early stopping and the best checkpoint: 10 %."""
    TEST = "test"
    """The measurement before and after, which nothing is chosen by: 10 %."""


def split_of(text: str) -> Split:
    """Finds the set of the question with this text."""
    place = int.from_bytes(hashlib.sha256(canonical(text).encode()).digest()[:8])
    if place < TEST_SHARE * 2**64:
        return Split.TEST
    return Split.VALIDATION if place < (TEST_SHARE + VALIDATION_SHARE) * 2**64 else Split.TRAIN


def split_questions(questions: Iterable[Question]) -> dict[Split, tuple[Question, ...]]:
    """Splits questions into all three sets, each in their order, copies included."""
    sets: dict[Split, list[Question]] = {split: [] for split in Split}
    for question in questions:
        sets[split_of(question.text)].append(question)
    return {split: tuple(members) for split, members in sets.items()}


def distinct(questions: Iterable[Question]) -> tuple[Question, ...]:
    """Keeps the first question of each text, for a measurement is compared question by question."""
    first: dict[str, Question] = {}
    for question in questions:
        first.setdefault(canonical(question.text), question)
    return tuple(first.values())
