"""The sampler draws what the policy says, whatever slot it draws in."""

from __future__ import annotations

import math

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tests.trainyard_trainer import small
from trainyard_trainer.models.char_tokenizer import char_tokenizer
from trainyard_trainer.models.loading import LoadedModel
from trainyard_trainer.policy.batches import Row, micro_batches
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.sampling.randomness import Stream, StreamKey
from trainyard_trainer.sampling.sampler import InProcessEngine, draw_tokens
from trainyard_trainer.seams import Generation, GenerationRequest, RolloutInterruptedError
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.trajectory import FinishReason, Sampling

SAMPLING = Sampling(temperature=1.0, max_new_tokens=8, stop_ids=(3, 7, 11))
PROMPTS = [(1, 2, 4), (5, 6), (8, 9, 10, 12, 13), (14,), (1, 2, 4), (15, 16, 17, 18)]
RESULTS = [(4, 4, 5), (6,), (9, 9), (10, 12), (1,), (2, 2, 2, 2)]


def draw(logits: list[float], uniform: float, temperature: float = 1.0) -> tuple[int, float]:
    """One token and its log-probability."""
    tokens, logprobs = draw_tokens(
        torch.tensor([logits]), torch.tensor([temperature]), torch.tensor([uniform], dtype=torch.float64)
    )
    return int(tokens[0]), float(logprobs[0])


def llama() -> TorchPolicy:
    """A policy of another model class."""
    tokenizer = char_tokenizer(CalculatorTask.alphabet)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), num_key_value_heads=2, **sizes))
    return TorchPolicy(LoadedModel(model, tokenizer, 0), 1e-3)


def converse(policy: TorchPolicy, order: list[int], turns: int = 3) -> tuple[list[list[Generation]], list[list[int]]]:
    """Generations and all tokens of each conversation, decoded together in this order."""
    engine = InProcessEngine(policy)
    sessions = {index: engine.open_session() for index in order}
    histories: list[list[int]] = [[] for _ in PROMPTS]
    said: list[list[Generation]] = [[] for _ in PROMPTS]
    for turn in range(turns):
        fresh = {index: PROMPTS[index] if turn == 0 else RESULTS[(index + turn) % len(RESULTS)] for index in order}
        requests = [
            GenerationRequest(sessions[i], fresh[i], SAMPLING, StreamKey(9, Stream.TRAINING_TOKENS, 0, i))
            for i in order
        ]
        for index, generation in zip(order, engine.generate(requests, lambda: False), strict=True):
            histories[index] += [*fresh[index], *generation.token_ids]
            said[index].append(generation)
    return said, histories


def test_tokens_follow_the_inverse_cdf() -> None:
    """Of probabilities .5, .25, .25 the uniform numbers .49, .5 and .76 draw the first, second and third token."""
    logits = [math.log(0.5), math.log(0.25), math.log(0.25)]
    assert [draw(logits, uniform)[0] for uniform in (0.0, 0.49, 0.51, 0.74, 0.76)] == [0, 0, 1, 1, 2]
    assert draw(logits, 0.6)[1] == pytest.approx(math.log(0.25), abs=1e-6)


def test_a_token_without_mass_is_never_drawn() -> None:
    """Neither at either end nor in between, however close to 1 the number comes."""
    logits = [-math.inf, 0.0, -math.inf, 0.0, -math.inf]
    drawn = {draw(logits, uniform)[0] for uniform in (0.0, 0.25, 0.5, 0.75, 1 - 2**-53)}
    assert drawn == {1, 3}


def test_logprobs_are_those_of_the_tempered_distribution() -> None:
    """At temperature 0.5, probability ratios are squared."""
    assert draw([0.0, math.log(3.0)], 0.99, temperature=0.5)[1] == pytest.approx(math.log(0.9), abs=1e-6)


@pytest.mark.parametrize("make", [small.policy, llama])
def test_sampler_and_policy_agree_on_every_token(make: type) -> None:
    """Over three turns of uneven lengths, |difference of log-probabilities| is at most 1e-4: the caches are right."""
    policy = make()
    said, histories = converse(policy, list(range(len(PROMPTS))))
    rows = [Row(tuple(ids), (False,) * len(ids), (0.0,) * len(ids), 0.0) for ids in histories]
    with torch.no_grad():
        logprobs, _ = policy.logprobs(micro_batches(rows, 0)[0])
    gap = 0.0
    for index, generations in enumerate(said):
        at = 0
        for turn, generation in enumerate(generations):
            at += len(PROMPTS[index] if turn == 0 else RESULTS[(index + turn) % len(RESULTS)])
            for logprob in generation.logprobs:
                gap = max(gap, abs(logprob - logprobs[index, at].item()))
                at += 1
    assert 0.0 < gap <= 1e-4


def test_what_is_sampled_does_not_depend_on_slot_or_neighbours() -> None:
    """Another order, and decoding alone, give the same tokens."""
    policy = small.policy()
    together, _ = converse(policy, list(range(len(PROMPTS))))
    reversed_, _ = converse(policy, list(reversed(range(len(PROMPTS)))))
    alone = [converse(policy, [index])[0][index] for index in range(len(PROMPTS))]
    ids = [[generation.token_ids for generation in turns] for turns in together]
    assert [[generation.token_ids for generation in turns] for turns in reversed_] == ids
    assert [[generation.token_ids for generation in turns] for turns in alone] == ids


def test_history_is_not_read_again() -> None:
    """Over all turns the model reads each token of a conversation at most once."""
    policy = small.policy()
    read = 0

    def count(_: torch.nn.Module, __: tuple[object, ...], options: dict[str, torch.Tensor]) -> None:
        nonlocal read
        read += options["input_ids"].shape[1]

    hook = policy.model.register_forward_pre_hook(count, with_kwargs=True)
    _, histories = converse(policy, [2])
    hook.remove()
    assert read == len(histories[2]) - 1  # the last sampled token isn't read by anybody


def test_a_turn_ends_with_a_stop_id_or_at_its_limit() -> None:
    """The stop id belongs to the turn and occurs at its end only; a turn without one has the limit's length."""
    said, _ = converse(small.policy(), list(range(len(PROMPTS))))
    reasons = set()
    for generation in (generation for turns in said for generation in turns):
        reasons.add(generation.finish_reason)
        assert not set(generation.token_ids[:-1]) & set(SAMPLING.stop_ids)
        stopped = generation.token_ids[-1] in SAMPLING.stop_ids
        assert stopped == (generation.finish_reason is FinishReason.STOP)
        assert stopped or len(generation.token_ids) == SAMPLING.max_new_tokens
    assert reasons == {FinishReason.STOP, FinishReason.LENGTH}


def test_a_stop_interrupts_between_decode_rounds() -> None:
    """The engine asks before every round, not only once per turn."""
    asked = 0

    def interrupted() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    engine = InProcessEngine(small.policy())
    endless = Sampling(1.0, 8, ())
    request = GenerationRequest(engine.open_session(), (1, 2), endless, StreamKey(0, Stream.TRAINING_TOKENS))
    with pytest.raises(RolloutInterruptedError):
        engine.generate([request], interrupted)
    assert asked == 3


def test_a_foreign_session_is_an_error() -> None:
    """A session of another engine is not quietly taken for an empty one."""
    engine = InProcessEngine(small.policy())
    with pytest.raises(TypeError, match="another engine"):
        engine.generate([GenerationRequest(object(), (1,), SAMPLING, StreamKey(0, Stream.TRAINING_TOKENS))], bool)
