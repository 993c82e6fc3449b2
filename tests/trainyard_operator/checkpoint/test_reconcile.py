"""Claims about the decision over a Checkpoint."""

from __future__ import annotations

from tests.trainyard_operator.builders import NOW, checkpoint, claim, time_text
from trainyard_operator.checkpoint.objects import imported_status
from trainyard_operator.checkpoint.observed import Observed
from trainyard_operator.checkpoint.reconcile import decide


def test_only_what_nobody_else_reports_on_is_an_import() -> None:
    """Not what has conditions, nor what a living job's pass will fill."""
    made = checkpoint(claim(), ready=False)
    assert decide(Observed(made, has_job=False), NOW) == imported_status(made, NOW)
    assert decide(Observed(made, has_job=True), NOW) is None
    assert decide(Observed(checkpoint(claim()), has_job=False), NOW) is None


def test_what_is_being_deleted_is_left_alone() -> None:
    """Nobody will start from it any more."""
    made = checkpoint(claim(), ready=False)
    metadata = made.metadata.model_copy(update={"deletion_timestamp": time_text(0)})
    assert decide(Observed(made.model_copy(update={"metadata": metadata}), has_job=False), NOW) is None
