"""The decision about a Checkpoint: whether to report on it, because nobody else does.

Place in the data's way: station 9. What a living TrainingJob has made is reported on in that job's passes. Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from trainyard_operator.checkpoint.objects import imported_status
from trainyard_operator.checkpoint.observed import Observed


def decide(observed: Observed, now: datetime) -> dict[str, Any] | None:
    """Decides on the status to write, in its wire form; None: nothing is to be done."""
    checkpoint = observed.checkpoint
    reported = checkpoint.status is not None and bool(checkpoint.status.conditions)
    if reported or observed.has_job or checkpoint.metadata.deletion_timestamp is not None:
        return None
    return imported_status(checkpoint, now)
