"""Points in time as the API writes them.

Place in the data's way: stations 11 and 12. Seconds are all that Kubernetes keeps, so that is all we compute with.
Only `now` reads a clock.
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Tells the time of this process's clock, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def parse_time(text: str) -> datetime:
    """Reads a point in time from RFC 3339.

    Raises:
        ValueError: it is no such text.
    """
    return datetime.fromisoformat(text).astimezone(UTC)


def format_time(moment: datetime) -> str:
    """Writes a point in time as RFC 3339, in UTC and whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
