"""A batch of turns draws what each would draw alone, until each ends."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.trainyard_trainer import families
from tests.trainyard_trainer.stopping import Stop
from tests.trainyard_trainer.talks import Policy, converse, tokens
from trainyard_trainer.sampling.in_process import slots
from trainyard_trainer.sampling.in_process.reading import CachedModel
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


def test_long_turns_are_laid_out_in_parts(qwen3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns and tool results longer than what is laid out at a time come out the same."""
    together = tokens(converse(engine(qwen3, chunks=False)))
    monkeypatch.setattr(slots, "HORIZON", 3)
    assert tokens(converse(engine(qwen3, chunks=False))) == together
    assert tokens(converse(engine(qwen3, 2, chunks=False))) == together


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
