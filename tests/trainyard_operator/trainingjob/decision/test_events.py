"""Claims about which of a pass's doings are events."""

from __future__ import annotations

from decimal import Decimal

from tests.trainyard_operator.builders import claim, open_pod
from trainyard_api.training_job_status import OpenPod
from trainyard_operator.cluster.events import EventNote
from trainyard_operator.money.booking import Books, Spend
from trainyard_operator.trainingjob.decision.actions import AddFinalizer, BookSpend, StartAttempt, StoreCheckpoint
from trainyard_operator.trainingjob.decision.events import of_actions, of_books

SPENT = Spend(OpenPod.model_validate(open_pod(end=0)), Decimal("0.5"))


def test_what_was_done_for_a_person_is_told() -> None:
    """A start, a checkpoint; nothing of the operator's own housekeeping."""
    notes = of_actions((AddFinalizer(), StartAttempt(2), StoreCheckpoint(claim(7)), BookSpend(SPENT)))
    assert notes == [
        EventNote("AttemptStarted", "attempt 2 was started"),
        EventNote("CheckpointCreated", "the checkpoint of step 7 is an object"),
    ]


def test_a_pods_cost_is_told_when_it_joins_the_sum() -> None:
    """Once: its row may follow much later."""
    books = Books({}, changed=True, open_pods=(), settled=(SPENT,), unwritten=(SPENT,))
    assert of_books(books) == [EventNote("SpendSettled", "pod sums-1-abcde has cost $0.5")]
