"""The engine answers everybody who asks, and everybody who waits hears of what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from tests.trainyard_trainer import families
from tests.trainyard_trainer.stopping import Stop
from tests.trainyard_trainer.talks import SAMPLING, Policy, converse, tokens
from tests.waiting import GUARD_SECONDS
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import DroppedError, RefusedError
from trainyard_trainer.randomness import Stream, StreamKey
from trainyard_trainer.sampling.engine import Generation
from trainyard_trainer.sampling.in_process.reading import CachedModel
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder
from trainyard_trainer.sampling.in_process.turns import CachedSession, OpenTurn
from trainyard_trainer.sampling.in_process.whole_batch import WholeBatchDecoder
from trainyard_trainer.trajectory import Sampling

KEY = StreamKey(0, Stream.TRAINING_TOKENS)
ENDLESS = Sampling(1.0, 100_000, ())


@pytest.fixture(scope="module")
def policy() -> Policy:
    """A small model, at version 7."""
    return Policy(families.model_of("qwen3"), version=7)


def engine(policy: Policy, stop: Stop | None = None, slots: int = 4) -> InProcessEngine:
    """An engine of slots."""
    return InProcessEngine(policy, stop or Stop(), SlotDecoder(CachedModel(policy), slots))


def outcomes(chosen: InProcessEngine, count: int, sampling: Sampling = SAMPLING) -> list[Any]:
    """What becomes of this many conversations that ask once."""

    async def ask() -> list[Any]:
        sessions = [chosen.open_session() for _ in range(count)]
        asked = (chosen.generate(session, (4, 5), sampling, KEY) for session in sessions)
        found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), GUARD_SECONDS)
        for session in sessions:
            chosen.close_session(session)
        return found

    # Conversations beyond the slots only get one when others are closed.
    return asyncio.run(ask())


def test_every_token_has_the_version_that_sampled_it(policy: Policy) -> None:
    """The policy's of now, once per token."""
    (found,) = outcomes(engine(policy), 1)
    assert isinstance(found, Generation)
    assert found.policy_versions == (7,) * len(found.token_ids)


def test_a_stop_interrupts_everybody_between_two_tokens(policy: Policy) -> None:
    """Those who are being sampled and those who wait for a slot; later ones aren't even begun."""
    asked = 0

    def interrupted() -> bool:
        nonlocal asked
        asked += 1
        return asked > 9

    chosen = engine(policy, Stop(interrupted), slots=2)
    found = outcomes(chosen, 5, ENDLESS)
    assert [type(one) for one in found] == [DroppedError] * 5
    assert [type(one) for one in outcomes(chosen, 1)] == [DroppedError]


def test_a_stop_is_noticed_while_environments_think(policy: Policy) -> None:
    """A conversation that has asked doesn't wait for one that is still thinking."""
    asked = asyncio.Event()

    async def ask() -> None:
        chosen = engine(policy, Stop(asked.is_set))
        thinking, waiting = chosen.open_session(), chosen.open_session()
        turn = asyncio.create_task(chosen.generate(waiting, (4, 5), SAMPLING, KEY))
        await asyncio.sleep(0.01)
        asked.set()
        with pytest.raises(DroppedError):
            await asyncio.wait_for(turn, GUARD_SECONDS)
        chosen.close_session(thinking)

    asyncio.run(ask())


class Failing:
    """A decoder that breaks at its third pass."""

    def __init__(self, inner: SlotDecoder) -> None:
        self._inner, self._passes = inner, 0

    @property
    def active(self) -> int:
        return self._inner.active

    @property
    def due(self) -> bool:
        return self._inner.due

    def admit(self, turns: Sequence[OpenTurn]) -> list[OpenTurn]:
        return self._inner.admit(turns)

    def advance(self) -> list[OpenTurn]:
        self._passes += 1
        if self._passes == 3:
            raise FloatingPointError("broken")
        return self._inner.advance()

    def release(self, session: CachedSession) -> None:
        self._inner.release(session)

    def reset(self) -> None:
        self._inner.reset()

    def shrink(self) -> bool:
        return self._inner.shrink()


def test_what_breaks_the_engine_reaches_everybody_who_waits(policy: Policy) -> None:
    """Nobody hangs; conversations that were begun can't go on, new ones can."""
    chosen = InProcessEngine(policy, Stop(), Failing(SlotDecoder(CachedModel(policy), 2)))

    async def ask() -> None:
        sessions = [chosen.open_session() for _ in range(4)]
        asked = (chosen.generate(session, (4, 5), ENDLESS, KEY) for session in sessions)
        found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), GUARD_SECONDS)
        assert [type(one) for one in found] == [FloatingPointError] * 4
        with pytest.raises(RuntimeError, match="failed in this conversation"):
            await chosen.generate(sessions[0], (4,), SAMPLING, KEY)
        for session in sessions:
            chosen.close_session(session)

    asyncio.run(ask())
    assert isinstance(outcomes(chosen, 1)[0], Generation)


@contextmanager
def full(model: Any, refuses: Callable[[int, int], bool]) -> Iterator[list[int]]:
    """A model on an accelerator that refuses passes by their number and rows; the rows of each pass."""
    passes: list[int] = []

    def forward(_: torch.nn.Module, __: tuple[object, ...], options: dict[str, torch.Tensor]) -> None:
        passes.append(len(options["input_ids"]))
        if refuses(len(passes), passes[-1]):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    hook = model.register_forward_pre_hook(forward, with_kwargs=True)
    yield passes
    hook.remove()


@pytest.mark.parametrize("family", ["qwen3", "falcon_h1"])
def test_sampling_that_ran_out_of_memory_goes_on_with_half_the_slots(family: str) -> None:
    """At any pass, in a first turn or a later one, with environments that think; the tokens are those of enough
    memory.
    """

    async def pause(number: int, turn: int) -> None:
        await asyncio.sleep(0.001 * ((number + turn) % 3))

    policy = Policy(families.model_of(family))
    undisturbed = tokens(converse(engine(policy, slots=8)))
    for failing in (1, 2, 7, 13, 19, 25):
        policy.slots = 8
        chosen = InProcessEngine(policy, Stop(), SlotDecoder(CachedModel(policy), None))
        with full(policy.model, lambda number, _, failing=failing: number == failing) as passes:
            assert tokens(converse(chosen, pause=pause)) == undisturbed
        assert policy.slots == 4
        assert len(passes) > failing


def test_slots_halve_until_they_fit(policy: Policy, caplog: pytest.LogCaptureFixture) -> None:
    """Passes of more than two rows never fit; each halving is said."""
    undisturbed = tokens(converse(engine(policy, slots=8)))
    policy.slots = 8
    with full(policy.model, lambda _, rows: rows > 2) as passes:
        found = tokens(converse(InProcessEngine(policy, Stop(), SlotDecoder(CachedModel(policy), None))))
    assert (found, policy.slots, passes[-1] <= 2) == (undisturbed, 2, True)
    assert caplog.text.count("ran out of memory") == caplog.text.count("conversations are decoded at a time") == 2


@pytest.mark.parametrize("family", ["qwen3", "mamba2"])
def test_where_not_even_one_conversation_fits_everybody_hears_the_refusal(family: str) -> None:
    """Of slots as of whole batches: with the field to change."""
    policy = Policy(families.model_of(family))
    decoder = SlotDecoder(CachedModel(policy), 2) if family == "qwen3" else WholeBatchDecoder(policy, cached=True)
    with full(policy.model, lambda number, _: number > 2):
        found = outcomes(InProcessEngine(policy, Stop(), decoder), 3)
    assert [type(one) for one in found] == [RefusedError] * 3
    assert found[0].reason is TerminationReason.INVALID_MANIFEST
    assert str(found[0]).startswith("spec.trainer.memory: must leave memory to sample one conversation")
    assert "with all its turns: 10 tokens ran out of it; fewer" in str(found[0])


def test_a_conversation_that_is_cancelled_holds_nobody_up(policy: Policy) -> None:
    """In the middle of a turn; the others' tokens are those that they'd have said anyway."""
    chosen = engine(policy)

    async def ask() -> Generation:
        endless, other = chosen.open_session(), chosen.open_session()
        lost = asyncio.create_task(chosen.generate(endless, (6, 7), ENDLESS, KEY))
        turn = asyncio.create_task(chosen.generate(other, (4, 5), SAMPLING, KEY))
        await asyncio.sleep(0.01)
        lost.cancel()
        found = await asyncio.wait_for(turn, GUARD_SECONDS)
        chosen.close_session(other)
        return found

    assert asyncio.run(ask()).token_ids == outcomes(engine(policy), 1)[0].token_ids


def test_an_engine_serves_one_rollout_after_another(policy: Policy) -> None:
    """Each in an event loop of its own, with the same tokens for the same keys."""
    chosen = engine(policy)
    assert tokens(converse(chosen)) == tokens(converse(chosen))


def test_wrong_use_is_an_error_at_once(policy: Policy) -> None:
    """A session of another engine, one that is closed, nothing to read, nothing to sample, two turns at a time."""

    async def ask() -> None:
        chosen = engine(policy)
        with pytest.raises(TypeError, match="another engine"):
            await chosen.generate(object(), (1,), SAMPLING, KEY)
        session = chosen.open_session()
        with pytest.raises(ValueError, match="at least one token"):
            await chosen.generate(session, (), SAMPLING, KEY)
        with pytest.raises(ValueError, match="at least one token"):
            await chosen.generate(session, (1,), Sampling(1.0, 0, ()), KEY)
        first = asyncio.create_task(chosen.generate(session, (1,), SAMPLING, KEY))
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="has asked already"):
            await chosen.generate(session, (1,), SAMPLING, KEY)
        await first
        chosen.close_session(session)
        chosen.close_session(session)
        with pytest.raises(ValueError, match="closed"):
            await chosen.generate(session, (1,), SAMPLING, KEY)

    asyncio.run(ask())
