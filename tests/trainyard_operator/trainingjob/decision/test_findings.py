"""Claims about findings."""

from __future__ import annotations

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.trainingjob.decision.findings import Condition, Finding, Problem, degraded


def test_the_first_problem_is_the_one_that_is_shown() -> None:
    """Of the first finding that has one; none is as expected."""
    ledger, claim = Problem(Reason.DATABASE_UNAVAILABLE, "away"), Problem(Reason.CHECKPOINT_REFUSED, "quota")
    shown = degraded([Finding(), Finding(problems=(ledger, claim)), Finding(problems=(claim,))])
    assert shown.conditions == (Condition(ConditionType.DEGRADED, True, "DatabaseUnavailable", "away"),)
    assert degraded([Finding()]).conditions == (Condition(ConditionType.DEGRADED, False, "AsExpected"),)
