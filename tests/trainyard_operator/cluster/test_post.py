"""Claims about event objects."""

from __future__ import annotations

from tests.trainyard_operator.builders import NAME, NOW, UID, job
from trainyard_operator.cluster.events import EventNote
from trainyard_operator.cluster.post import event_body


def test_an_event_names_the_job_and_fits_the_api() -> None:
    """Reason, type, regarding; the note is cut to what an event takes."""
    body = event_body(job(), EventNote("Failed", "x" * 3000, warning=True), NOW)
    assert (body["reason"], body["type"], len(body["note"])) == ("Failed", "Warning", 1000 - (3000 - 1000) % 16)
    assert body["regarding"]["uid"] == UID
    assert body["metadata"]["name"].startswith(f"{NAME}.")


def test_the_same_news_has_the_same_name() -> None:
    """So that a repeated pass posts nothing twice; other news has another."""
    once, again = (event_body(job(), EventNote("Failed", "why"), NOW) for _ in range(2))
    assert once["metadata"]["name"] == again["metadata"]["name"]
    assert event_body(job(), EventNote("Failed", "else"), NOW)["metadata"]["name"] != once["metadata"]["name"]
