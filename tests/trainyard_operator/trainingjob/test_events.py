"""Claims about which actions are events."""

from __future__ import annotations

from decimal import Decimal

from tests.trainyard_operator.builders import claim, open_pod
from trainyard_api.training_job_status import OpenPod
from trainyard_operator.cluster.events import EventNote
from trainyard_operator.money.booking import BookSpend
from trainyard_operator.trainingjob.actions import AddFinalizer, StartAttempt, StoreCheckpoint
from trainyard_operator.trainingjob.events import of_actions


def test_what_was_done_for_a_person_is_told() -> None:
    """A start, a checkpoint, a booking; nothing of the operator's own housekeeping."""
    spend = BookSpend(OpenPod.model_validate(open_pod(end=0)), Decimal("0.5"))
    notes = of_actions((AddFinalizer(), StartAttempt(2), StoreCheckpoint(claim(7)), spend))
    assert notes == [
        EventNote("AttemptStarted", "attempt 2 was started"),
        EventNote("CheckpointCreated", "the checkpoint of step 7 is an object"),
        EventNote("SpendSettled", "pod sums-1-abcde has cost $0.5"),
    ]
