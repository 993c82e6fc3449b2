"""Claims about what is remembered of a refusal."""

from __future__ import annotations

from tests.trainyard_operator.builders import NOW, at
from trainyard_operator.trainingjob.apply.memory import Memory, refusal


def test_what_was_refused_rests_for_half_a_minute() -> None:
    """Every pass would ask again otherwise; nothing is remembered of a new run."""
    assert (refusal("quota", NOW).message, refusal("quota", NOW).again) == ("quota", at(30))
    assert (Memory().stores, Memory().start) == ({}, None)
