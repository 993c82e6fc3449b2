"""What was found out about a job that goes on, before its life is decided.

Place in the data's way: station 2, between looking at the parts and the whole. Frozen data only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trainyard_operator.checkpoint.claims import ClaimsReview
from trainyard_operator.money.booking import Books
from trainyard_operator.trainingjob.attempt.standing import AttemptView, Ended
from trainyard_operator.trainingjob.decision.actions import BookClaim
from trainyard_operator.trainingjob.decision.observed import Observed
from trainyard_operator.trainingjob.gates.before_start import Gate
from trainyard_operator.trainingjob.life import stored
from trainyard_operator.trainingjob.stops.wanted import StopCause


@dataclass(frozen=True)
class Situation:
    """A job that goes on, its parts judged."""

    observed: Observed
    cause: StopCause | None
    """Why it should stop; None: it should run."""
    gate: Gate
    view: AttemptView
    reviewed: ClaimsReview
    books: Books
    now: datetime

    @property
    def on_record(self) -> bool:
        """Tells whether the status holds how the attempt ended, if it has: only then may the evidence go."""
        return not isinstance(self.view, Ended) or self.view.on_record

    @property
    def settled(self) -> bool:
        """Tells whether no pod runs, and the status holds what all have cost."""
        return not self.books.open_pods and not self.books.settled and all(pod.over for pod in self.observed.pods)

    @property
    def stored(self) -> bool:
        """Tells whether every checkpoint is an object, or was tried and refused; not while the ledger is away."""
        return self.observed.ledger_up and self.reviewed.complete(self.observed.refused_stores)

    @property
    def unclaimed(self) -> tuple[BookClaim, ...]:
        """Plans the row of the checkpoint that the trainer named at its end and couldn't claim."""
        claim = stored.unclaimed(self.observed, self.now)
        return () if claim is None else (BookClaim(claim),)
