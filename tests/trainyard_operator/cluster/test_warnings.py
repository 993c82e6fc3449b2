"""Claims about what the cluster says went wrong with an object."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.trainyard_operator.builders import time_text
from trainyard_operator.cluster import warnings
from trainyard_operator.cluster.kube import EVENTS, Kind, KubeError
from trainyard_operator.cluster.warnings import Warnings


class Events:
    """Holds events, or refuses to show them; writes down what was asked."""

    def __init__(self, *notes: tuple[str, int], refusal: str = "") -> None:
        self.bodies = [{"metadata": {"creationTimestamp": time_text(ago)}, "note": note} for note, ago in notes]
        self.refusal = refusal
        self.asked: list[str] = []

    async def list_objects(self, kind: Kind, namespace: str | None, *, fields: str) -> list[dict[str, Any]]:
        """The events about an object."""
        assert (kind, namespace) == (EVENTS, "team-a")
        self.asked.append(fields)
        if self.refusal:
            raise KubeError(403, "Forbidden", self.refusal)
        return self.bodies


def _about(events: Any, *uids: str) -> list[str]:
    async def go() -> list[str]:
        reader = Warnings(events)
        return [await reader.about("team-a", uid) for uid in uids]

    return asyncio.run(go())


def test_the_newest_warning_counts() -> None:
    """Of this very object; none is an empty text."""
    events = Events(("older", -50), ("newest", -5), ("old", -20))
    assert _about(events, "u") == ["newest"]
    assert events.asked == ["regarding.uid=u,type=Warning"]
    assert _about(Events(), "u") == [""]


def test_a_question_is_answered_from_memory_for_a_while() -> None:
    """Every tick asks; another object is another question."""
    events = Events(("exceeded quota", -5))
    assert _about(events, "u", "u", "other", "u") == ["exceeded quota"] * 4
    assert events.asked == ["regarding.uid=u,type=Warning", "regarding.uid=other,type=Warning"]


def test_a_stale_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a minute old."""
    assert warnings._FRESH_SECONDS == 30.0
    monkeypatch.setattr(warnings, "_FRESH_SECONDS", -1.0)
    events = Events(("exceeded quota", -5))
    _about(events, "u", "u")
    assert len(events.asked) == 2


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past so many objects all is asked anew."""
    monkeypatch.setattr(warnings, "_MOST", 2)
    events = Events()
    _about(events, "a", "b", "c", "c", "a")
    assert [each[14:15] for each in events.asked] == ["a", "b", "c", "a"]


def test_events_that_cant_be_read_are_said_and_long_ones_cut() -> None:
    """It is for a condition's message; a pass never fails for it."""
    assert _about(Events(refusal="no such right"), "u") == ["its events can't be read: no such right (403 Forbidden)"]
    assert len(_about(Events(("x" * 5000, 0)), "u")[0]) == 500
    assert len(_about(Events(refusal="x" * 5000), "u")[0]) == 300
