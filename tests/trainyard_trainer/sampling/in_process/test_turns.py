"""A turn's tokens are its own stream's, however often it is begun and in whatever parts it asks."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from trainyard_trainer.randomness import Stream, StreamKey
from trainyard_trainer.sampling.in_process.turns import NUMBERS, CachedSession, OpenTurn
from trainyard_trainer.trajectory import FinishReason, Sampling

KEY = StreamKey(0, Stream.TRAINING_TOKENS, 0, 1)


def turn(session: CachedSession | None = None, **sampling: Any) -> OpenTurn:
    """A turn of at most 600 tokens, that 3 ends."""
    asked = Sampling(**({"temperature": 1.0, "max_new_tokens": 600, "stop_ids": (3,)} | sampling))
    return OpenTurn(session or CachedSession(0), (4, 5), asked, KEY, asyncio.Future(loop=asyncio.new_event_loop()))


@pytest.fixture(autouse=True)
def _loops_are_closed(monkeypatch: pytest.MonkeyPatch) -> Any:
    made: list[asyncio.AbstractEventLoop] = []
    real = asyncio.new_event_loop
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: made.append(real()) or made[-1])
    yield
    for loop in made:
        loop.close()


def test_numbers_do_not_depend_on_the_parts_in_which_they_are_asked_for() -> None:
    """Nor on how many are drawn at a time."""
    whole = turn().numbers(2 * NUMBERS)
    parted = turn()
    found = []
    for count in (1, 300, 211):
        found.append(parted.numbers(count))
        parted.take([7] * count, [-1.0] * count)
    np.testing.assert_array_equal(np.concatenate(found), whole)


def test_a_turn_that_begins_again_draws_the_same() -> None:
    """As after it ran out of memory."""
    one = turn()
    first = one.numbers(5).copy()
    one.take([7] * 5, [-1.0] * 5)
    one.begin_again()
    assert (one.tokens, one.logprobs, one.finish) == ([], [], None)
    np.testing.assert_array_equal(one.numbers(5), first)


def test_the_next_turn_goes_on_in_the_stream_where_the_last_ended() -> None:
    """A conversation has one stream, and its history is all that was said in it."""
    session = CachedSession(0)
    first = turn(session)
    numbers = first.numbers(8)
    first.take([7, 8, 3], [-1.0] * 3)
    generation = first.generation(version=9)
    assert (generation.finish_reason, generation.policy_versions) == (FinishReason.STOP, (9, 9, 9))
    second = turn(session)
    assert second.history == (4, 5, 7, 8, 3, 4, 5)
    np.testing.assert_array_equal(second.numbers(5), numbers[3:8])


def test_a_turn_ends_at_its_limit_and_has_no_generation_before() -> None:
    """A stop id that is its last token is a stop."""
    one = turn(max_new_tokens=2)
    one.take([7], [-1.0])
    with pytest.raises(ValueError, match="goes on"):
        one.generation(0)
    one.take([7], [-1.0])
    assert (one.finish, one.remaining) == (FinishReason.LENGTH, 0)
    stopped = turn(max_new_tokens=1)
    stopped.take([3], [-1.0])
    assert stopped.finish is FinishReason.STOP


def test_support_is_brought_only_where_something_was_cut() -> None:
    """Not by a filter that left everything."""
    for supports, brought in (([None, None], None), ([(7, 8), None], ((7, 8), None))):
        one = turn(max_new_tokens=2, top_k=5)
        one.support += supports
        one.take([7, 7], [-1.0, -1.0])
        assert one.generation(0).support == brought
