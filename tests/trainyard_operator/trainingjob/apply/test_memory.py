"""Claims about what is remembered of a refusal."""

from __future__ import annotations

from tests.trainyard_operator.builders import NOW, at
from trainyard_operator.trainingjob.apply.memory import Memory, longer, refusal


def test_what_was_refused_rests_for_half_a_minute() -> None:
    """Every pass would ask again otherwise; nothing is remembered of a new run."""
    assert (refusal("quota", NOW).message, refusal("quota", NOW).again) == ("quota", at(30))
    assert (Memory().stores, Memory().start) == ({}, None)


def test_what_is_refused_again_rests_twice_as_long() -> None:
    """Half a minute first, five minutes at most; its words are the newest."""
    rests, former = [], None
    for number in range(6):
        former = longer(former, f"refused {number}", NOW)
        rests.append((former.again - NOW).total_seconds())
    assert rests == [30, 60, 120, 240, 300, 300]
    assert former is not None
    assert former.message == "refused 5"
