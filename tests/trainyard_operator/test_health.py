"""Claims about the probes."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from trainyard_operator import health
from trainyard_operator.health import Health, serve


class Clock:
    """Time that a test can turn on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """As time.monotonic."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock that `health` reads."""
    turned = Clock()
    monkeypatch.setattr(health, "time", turned)
    return turned


def test_a_process_whose_tick_stands_still_isnt_alive(clock: Clock) -> None:
    """A minute, or six ticks where they are longer."""
    state = Health(5)
    clock.now += 59
    assert state.trouble() is None
    clock.now += 2
    assert "tick: " in (state.trouble() or "")
    state.ticked({})
    assert state.trouble() is None
    slow = Health(30)
    clock.now += 179
    assert slow.trouble() is None


def test_a_watch_that_has_gone_silent_shows(clock: Clock) -> None:
    """What is listed must come by the watch too, however often it changes meanwhile."""
    state = Health(5)
    state.watched("a", "5")
    for version in range(5, 30):
        state.ticked({"a": str(version)})
        clock.now += 10
    assert "watch: behind" in (state.trouble() or "")
    state.watched("a", "29")
    state.ticked({"a": "29"})
    assert state.trouble() is None


def test_a_busy_object_isnt_a_silent_watch(clock: Clock) -> None:
    """A list may be a moment ahead of the watch at every tick."""
    state = Health(5)
    for version in range(5, 60):
        state.ticked({"a": str(version)})
        clock.now += 5
        state.watched("a", str(version))
    assert state.trouble() is None


def test_an_object_that_is_gone_is_no_lag(clock: Clock) -> None:
    """Nothing is remembered of it."""
    state = Health(5)
    state.ticked({"a": "5"})
    clock.now += 1000
    state.ticked({})
    assert state.trouble() is None


def test_ready_means_migrated_and_listed() -> None:
    """In words, for whoever looks at the probe."""
    state = Health(5)
    assert state.waiting() == "database: not migrated yet"
    state.migrated = True
    assert state.waiting() == "API server: jobs not listed yet"
    state.ticked({})
    assert state.waiting() is None


def test_the_endpoints_answer_with_the_reason() -> None:
    """200 ok, or 503 with why; any other path is 404."""
    state = Health(5)
    server = serve(state, 0)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        with urllib.request.urlopen(f"{url}/healthz") as answer:
            assert (answer.status, answer.read()) == (200, b"ok")
        for path, status, text in (("readyz", 503, b"database: not migrated yet"), ("other", 404, b"not found")):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"{url}/{path}")
            with caught.value as error:
                assert (error.code, error.read()) == (status, text)
    finally:
        server.shutdown()
        server.server_close()
