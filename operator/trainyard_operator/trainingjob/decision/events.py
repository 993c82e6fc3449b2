"""Which events tell of what a pass has done.

Place in the data's way: station 11. Those that tell of a changed condition are derived in `cluster/events.py`. Pure.
"""

from __future__ import annotations

from trainyard_api.conditions import Reason
from trainyard_operator.cluster.events import EventNote
from trainyard_operator.money.booking import Books
from trainyard_operator.trainingjob.decision.actions import Action, StartAttempt, StoreCheckpoint


def of_actions(actions: tuple[Action, ...]) -> list[EventNote]:
    """Makes one event for each action that a person may want to see."""
    notes = []
    for action in actions:
        match action:
            case StartAttempt(attempt):
                notes.append(EventNote(Reason.ATTEMPT_STARTED, f"attempt {attempt} was started"))
            case StoreCheckpoint(claim):
                notes.append(EventNote(Reason.CHECKPOINT_CREATED, f"the checkpoint of step {claim.step} is an object"))
            case _:
                pass
    return notes


def of_books(books: Books) -> list[EventNote]:
    """Makes one event for each pod whose cost has been added to the sum."""
    return [
        EventNote(Reason.SPEND_SETTLED, f"pod {spend.pod.name} has cost ${spend.amount}") for spend in books.settled
    ]
