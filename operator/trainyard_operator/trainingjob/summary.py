"""The conditions that sum a job up: `Succeeded`, and kstatus's `Reconciling` and `Stalled`.

Place in the data's way: stations 2 and 11. Pure.
"""

from __future__ import annotations

from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.trainingjob.findings import Condition
from trainyard_operator.trainingjob.observed import Observed
from trainyard_operator.trainingjob.outcome import Outcome


def summarise(
    observed: Observed, status: bool | None, reason: Reason, message: str, verdict: Outcome | None = None
) -> tuple[Condition, ...]:
    """Sums a job up.

    Args:
        observed: the job; a `Stalled` that it has already stays.
        status: of `Succeeded`; None while the work may still go on.
        reason: of `Succeeded`.
        message: what a person should know.
        verdict: why the job ends without what was asked.
    """
    going_on = Condition(ConditionType.RECONCILING, False, Reason.AS_EXPECTED)
    if status is None:
        going_on = Condition(ConditionType.RECONCILING, True, reason, message)
    conditions = (Condition(ConditionType.SUCCEEDED, status, reason, message), going_on)
    if verdict is not None:
        return (*conditions, Condition(ConditionType.STALLED, True, verdict.reason, verdict.message))
    if not observed.reported(ConditionType.STALLED):
        return (*conditions, Condition(ConditionType.STALLED, False, Reason.AS_EXPECTED))
    return conditions
