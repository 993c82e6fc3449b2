"""Slots sample what the model says, whatever shares the batch with a conversation and whenever it comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import torch

from tests.trainyard_trainer import families, talks
from tests.trainyard_trainer.stopping import Stop
from tests.trainyard_trainer.talks import Policy, converse, gap, tokens
from trainyard_trainer.sampling.in_process import slot_decoder, slots
from trainyard_trainer.sampling.in_process.reading import CachedModel, UnknownCacheError
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder
from trainyard_trainer.trajectory import FinishReason, Sampling


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


def test_long_turns_are_laid_out_in_parts(qwen3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns and tool results longer than what is laid out at a time come out the same."""
    together = tokens(converse(engine(qwen3, chunks=False)))
    monkeypatch.setattr(slots, "HORIZON", 3)
    assert tokens(converse(engine(qwen3, chunks=False))) == together
    assert tokens(converse(engine(qwen3, 2, chunks=False))) == together


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


def test_a_turn_ends_with_a_stop_id_or_at_its_limit(qwen3: Any) -> None:
    """The stop id belongs to the turn and occurs at its end only; a turn without one has the limit's length."""

    def limits(number: int, turn: int) -> Sampling:
        return Sampling(1.0, 1 + (number + turn) % 7, (3, 11) if number % 2 else (5, 99))

    reasons = set()
    for number, talk in converse(engine(qwen3, 4), sampling=limits).items():
        for turn, generation in enumerate(talk.generations):
            asked = limits(number, turn)
            reasons.add(generation.finish_reason)
            assert not set(generation.token_ids[:-1]) & set(asked.stop_ids)
            assert (generation.token_ids[-1] in asked.stop_ids) == (generation.finish_reason is FinishReason.STOP)
            if generation.finish_reason is FinishReason.LENGTH:
                assert len(generation.token_ids) == asked.max_new_tokens
            assert len(generation.logprobs) == len(generation.policy_versions) == len(generation.token_ids)
    assert reasons == {FinishReason.STOP, FinishReason.LENGTH}


def test_filtered_turns_bring_the_support_of_every_token(qwen3: Any) -> None:
    """Log-probabilities are those of the tempered model over the support; unfiltered neighbours bring none."""

    def sampling(number: int, _: int) -> Sampling:
        return Sampling(0.7, 6, (3,), top_k=5 if number % 2 else None)

    for number, talk in converse(engine(qwen3, 3), sampling=sampling).items():
        with torch.no_grad():
            logits = qwen3(input_ids=torch.tensor([talk.token_ids])).logits[0].double() / 0.7
        supports = [ids for generation in talk.generations for ids in generation.support or ()]
        assert len(supports) == (len(talk.logprobs) if number % 2 else 0)
        for ids, (place, logprob) in zip(supports or [None] * len(talk.logprobs), talk.logprobs.items(), strict=True):
            row = logits[place - 1]
            chosen = row if ids is None else row[list(ids)]
            expected = row[talk.token_ids[place]] - chosen.logsumexp(0)
            assert logprob == pytest.approx(float(expected), abs=1e-4)
            if ids is not None:
                assert ids == tuple(sorted(row.topk(5).indices.tolist()))


def test_a_model_without_a_known_cache_is_not_for_slots() -> None:
    """Mamba would ignore a cache given by its usual name; that is found out before anything is sampled."""
    with pytest.raises(UnknownCacheError, match="takes no past_key_values"):
        CachedModel(Policy(families.model_of("mamba2")))
