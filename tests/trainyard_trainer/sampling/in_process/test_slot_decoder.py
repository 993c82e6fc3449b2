"""Slots sample what the model says, whatever shares the batch with a conversation and whenever it comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import torch

from tests.trainyard_trainer import families, talks
from tests.trainyard_trainer.stopping import Stop
from tests.trainyard_trainer.talks import Policy, converse, gap, tokens
from trainyard_trainer.sampling.in_process import slot_decoder
from trainyard_trainer.sampling.in_process.reading import CachedModel
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder


def engine(model: Any, size: int = 256, **options: Any) -> InProcessEngine:
    """An engine with this many slots."""
    policy = Policy(model)
    return InProcessEngine(policy, Stop(), SlotDecoder(CachedModel(policy), size, **options))


@pytest.fixture(scope="module")
def qwen3() -> Any:
    """A small attention model."""
    return families.model_of("qwen3")


@pytest.mark.parametrize("family", families.SLOT_FAMILIES)
def test_every_family_is_sampled_exactly(family: str) -> None:
    """Ragged prompts, refills and tool results: log-probabilities within 1e-4 of a full forward of each alone."""
    model = families.model_of(family)
    assert 0.0 < gap(model, converse(engine(model, 3))) <= 1e-4


@pytest.mark.parametrize("family", ["qwen3", "mistral", "qwen3_next"])
def test_a_conversation_does_not_depend_on_slots_order_or_neighbours(family: str) -> None:
    """One slot, three or all; forwards, backwards and alone: the same tokens."""
    model = families.model_of(family)
    together = tokens(converse(engine(model)))
    assert tokens(converse(engine(model, 3))) == together
    assert tokens(converse(engine(model, 1))) == together
    assert tokens(converse(engine(model), list(reversed(together)))) == together
    assert tokens(converse(engine(model), [2])) == {2: together[2]}


@pytest.mark.parametrize("family", ["qwen3", "mistral", "falcon_h1"])
def test_slow_environments_change_nothing(family: str) -> None:
    """Conversations that think for some milliseconds say the same as those that answer at once."""

    async def pause(number: int, turn: int) -> None:
        await asyncio.sleep(0.003 * ((number + turn) % 3))

    model = families.model_of(family)
    assert tokens(converse(engine(model, 3), pause=pause)) == tokens(converse(engine(model, 3)))


@pytest.mark.parametrize("family", ["qwen3", "gemma2", "qwen3_next"])
def test_a_tool_result_is_read_the_same_in_passes_or_token_by_token(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forced tokens beside others' decoding, a pass of their own, and passes of even lengths leave the same state."""
    model = families.model_of(family)
    one_by_one = converse(engine(model, chunks=False))
    assert gap(model, one_by_one) <= 1e-4
    assert tokens(converse(engine(model, chunks=True))) == tokens(one_by_one)
    monkeypatch.setattr(slot_decoder, "LENGTHS", 0)
    monkeypatch.setattr(slot_decoder, "EVEN", 4)
    assert tokens(converse(engine(model, chunks=True))) == tokens(one_by_one)


def test_a_prompt_is_read_once_for_its_group(qwen3: Any) -> None:
    """Eight conversations with one prompt, in three slots: 16 prompt tokens are read, and one per sampled token."""
    read = 0

    def count(_: torch.nn.Module, __: tuple[object, ...], options: dict[str, torch.Tensor]) -> None:
        nonlocal read
        read += options["input_ids"].shape[1] if options["input_ids"].shape[1] > 1 else 0

    hook = qwen3.register_forward_pre_hook(count, with_kwargs=True)

    async def ask() -> None:
        chosen = engine(qwen3, 3)
        sessions = [chosen.open_session() for _ in range(8)]

        async def talk(number: int) -> None:
            key = talks.StreamKey(0, talks.Stream.TRAINING_TOKENS, 0, number)
            await chosen.generate(sessions[number], tuple(range(4, 20)), talks.SAMPLING, key)
            chosen.close_session(sessions[number])

        await asyncio.gather(*(talk(number) for number in range(8)))

    asyncio.run(ask())
    hook.remove()
    assert read == 16
