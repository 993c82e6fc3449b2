"""What a pass over a Checkpoint has seen.

Place in the data's way: station 9, between observing and deciding. Frozen data only.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard_api.checkpoint import Checkpoint


@dataclass(frozen=True)
class Observed:
    """A Checkpoint, and whether its maker is there."""

    checkpoint: Checkpoint
    has_job: bool
    """The TrainingJob whose labels it carries exists, and reports on it in passes of its own."""
