"""What this process remembers of a job between two passes: what was refused, and when it is asked again.

Place in the data's way: station 2. Lost with the process, which then asks once more. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from trainyard_operator.trainingjob.decision.observed import Refusal

REST: Final = timedelta(seconds=30)
"""How long something that was refused rests before it is tried again."""
LONGEST_REST: Final = timedelta(minutes=5)
"""How long the ledger's rows rest at most: each refusal in a row doubles the rest."""


@dataclass
class Memory:
    """Refusals of one run."""

    stores: dict[str, Refusal] = field(default_factory=dict)
    """Checkpoint URI → why its object couldn't be made."""
    start: Refusal | None = None
    """Why what an attempt needs couldn't be made."""
    rows: Refusal | None = None
    """Why the Job that writes carried rows couldn't be made."""
    ledger: Refusal | None = None
    """Why the ledger took no row."""
    claims: dict[str, Refusal] = field(default_factory=dict)
    """Checkpoint URI → why the ledger can't take its row."""


def refusal(message: str, now: datetime) -> Refusal:
    """Makes the memory of something that was refused now."""
    return Refusal(message, now + REST)


def longer(former: Refusal | None, message: str, now: datetime) -> Refusal:
    """Makes the memory of something that was refused again: it rests twice as long as the last time, up to a bound."""
    rest = REST if former is None else min(2 * former.rest, LONGEST_REST)
    return Refusal(message, now + rest, rest)
