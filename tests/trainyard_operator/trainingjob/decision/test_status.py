"""Claims about the status that a pass writes."""

from __future__ import annotations

from tests.trainyard_operator.builders import NOW, reported, time_text
from trainyard_api.conditions import ConditionType, Reason
from trainyard_operator.trainingjob.decision.status import StatusDraft, halves

BEFORE = {
    "conditions": [
        reported(ConditionType.SUCCEEDED, "Unknown", "Queued"),
        reported(ConditionType.COST_KNOWN, "True", "Priced"),
        {"type": "Novel", "status": "True", "reason": "Later", "lastTransitionTime": time_text(-1)},
    ],
    "observedGeneration": 1,
    "novel": {"deep": [1]},
    "progress": {"step": 3},
    "cost": {"spentUSD": "1.0000", "novel": True},
    "budget": {"limitUSD": "5.00", "source": "Spec"},
}


def _draft(generation: int = 1) -> StatusDraft:
    return StatusDraft(BEFORE, generation=generation, now=NOW)


def test_a_draft_that_changes_nothing_equals_what_is_there() -> None:
    """So that nothing is written."""
    assert (_draft().operator_half(), _draft().budget_half()) == halves(BEFORE)


def test_the_halves_share_nothing_and_leave_progress_to_the_pod() -> None:
    """Cost, budget and CostKnown on one side, all else on the other."""
    operators, budgets = _draft().operator_half(), _draft().budget_half()
    assert set(operators) == {"conditions", "observedGeneration", "novel"}
    assert set(budgets) == {"conditions", "cost", "budget"}
    assert [c["type"] for c in operators["conditions"]] == ["Novel", "Succeeded"]
    assert [c["type"] for c in budgets["conditions"]] == ["CostKnown"]


def test_fields_of_a_newer_version_are_carried_over() -> None:
    """An older operator doesn't erase what it doesn't know, neither fields nor conditions."""
    assert _draft(2).operator_half()["novel"] == {"deep": [1]}
    assert _draft(2).budget_half()["cost"]["novel"] is True
    assert "observedGeneration" not in _draft(2).operator_half()["conditions"][0]


def test_the_transition_time_changes_only_with_the_status() -> None:
    """A new reason keeps it; a new status sets it."""
    draft = _draft()
    draft.condition(ConditionType.SUCCEEDED, None, Reason.RUNNING, "m" * 5000)
    kept = draft.conditions()["Succeeded"]
    assert kept["lastTransitionTime"] == time_text(-500)
    assert (kept["status"], kept["reason"], len(kept["message"])) == ("Unknown", "Running", 1024)
    draft.condition(ConditionType.SUCCEEDED, True, Reason.COMPLETED)
    assert draft.conditions()["Succeeded"]["lastTransitionTime"] == time_text(0)


def test_every_known_condition_is_of_the_current_generation() -> None:
    """Also those that a pass didn't touch."""
    known = [c for half in (_draft(4).operator_half(), _draft(4).budget_half()) for c in half["conditions"]]
    assert {c["type"]: c.get("observedGeneration") for c in known} == {"Novel": None, "Succeeded": 4, "CostKnown": 4}


def test_a_draft_never_changes_what_was_observed() -> None:
    """The observation is compared with it afterwards."""
    before = str(BEFORE)
    draft = _draft(9)
    draft.put("novel", None)
    draft.budget_half()["cost"]["spentUSD"] = "9"
    draft.condition(ConditionType.SUCCEEDED, True, Reason.COMPLETED)
    assert str(BEFORE) == before
    assert "novel" not in draft.operator_half()
