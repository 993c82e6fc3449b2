"""Claims about conditions and their reasons."""

from __future__ import annotations

import re

from trainyard_api.conditions import ConditionType, Reason
from trainyard_api.termination import TerminationReason

CAMEL = re.compile(r"[A-Z][A-Za-z]*\Z")


def test_every_word_is_legal() -> None:
    """Types and reasons are CamelCase and short, as the schema of a condition asks."""
    for word in (*ConditionType, *Reason, *TerminationReason):
        assert CAMEL.match(word)
        assert len(word) <= 63


def test_a_word_means_one_thing() -> None:
    """A reason that both the operator and the trainer give has one spelling, and no two members share a word."""
    for enum in (ConditionType, Reason, TerminationReason):
        assert len({member.value for member in enum}) == len(enum.__members__)
        assert all(member.name == re.sub(r"(?<!^)(?=[A-Z])", "_", member.value).upper() for member in enum)
