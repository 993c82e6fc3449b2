"""What this process remembers of a job between two passes: what the API server refused, and when it is asked again.

Place in the data's way: station 2. Lost with the process, which then asks once more. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from trainyard_operator.trainingjob.observed import Refusal

REST: Final = timedelta(seconds=30)
"""How long something that was refused rests before it is tried again."""


@dataclass
class Memory:
    """Refusals of one run."""

    stores: dict[str, Refusal] = field(default_factory=dict)
    """Checkpoint URI → why its object couldn't be made."""
    start: Refusal | None = None
    """Why what an attempt needs couldn't be made."""
    rows: Refusal | None = None
    """Why the Job that writes carried rows couldn't be made."""


def refusal(message: str, now: datetime) -> Refusal:
    """Makes the memory of something that was refused now."""
    return Refusal(message, now + REST)
