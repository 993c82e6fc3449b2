"""A check at load: does an engine sample from the model's own distribution?

Place in the data's way: station 4. A few conversations of random tokens, ragged, more than there are slots, with equal
prompts and with a tool's result in the middle, are sampled by the engine; then each is read alone, at once and without
a cache, and the log-probabilities are compared. Longer contexts than a window of 1,024 tokens aren't tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from trainyard_trainer.randomness import Stream, StreamKey, generator
from trainyard_trainer.sampling.engine import Engine
from trainyard_trainer.sampling.in_process.reading import SampledPolicy
from trainyard_trainer.trajectory import Sampling

SLOTS = 3
"""Fewer than conversations, so that some wait for a slot."""
MAX_FLOAT32 = 1e-4
"""Largest difference of log-probabilities, in nats, that float32 may make."""
MEAN_REDUCED = 0.02
"""Largest mean difference, in nats, that shorter floating-point types may make."""
WIDEST_WINDOW = 1024

_PROMPTS, _REPLIES, _NEW = (5, 2, 9, 2, 1, 12, 4), (3, 1, 6, 2, 9, 1, 4), (4, 7, 3, 6, 5, 2, 8)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Measures abs(log-probability of the sampler - of the model), in nats, over all sampled tokens."""

    largest: float
    mean: float
    tokens: int
    reduced: bool

    @property
    def good(self) -> bool:
        """Says whether what the engine samples may be trained on."""
        return self.mean <= MEAN_REDUCED if self.reduced else self.largest <= MAX_FLOAT32

    def __str__(self) -> str:
        """Writes it for people."""
        return f"log-probabilities differ by {self.largest:.1e} at most, {self.mean:.1e} on average, of {self.tokens}"


@dataclass(slots=True)
class _Spoken:
    """Tokens of a conversation, and the log-probabilities of those that were sampled, by position."""

    token_ids: list[int] = field(default_factory=list)
    logprobs: dict[int, float] = field(default_factory=dict)


def check(policy: SampledPolicy, make_engine: Callable[[], Engine]) -> Agreement:
    """Compares an engine with the model that it samples from.

    Args:
        policy: whose model it is.
        make_engine: a fresh engine; one with `SLOTS` slots is checked best.
    """
    spoken = asyncio.run(_converse(make_engine(), _vocabulary(policy.model), _long_prompt(policy.model)))
    differences = np.concatenate([_differences(policy, one) for one in spoken])
    exact = all(parameter.dtype in (torch.float32, torch.float64) for parameter in policy.model.parameters())
    return Agreement(
        largest=float(differences.max()),
        mean=float(differences.mean()),
        tokens=len(differences),
        reduced=not exact,
    )


async def _converse(engine: Engine, vocabulary: int, long_prompt: int) -> list[_Spoken]:
    random = generator(StreamKey(0, Stream.SELF_CHECK))
    lengths = (*_PROMPTS, long_prompt) if long_prompt else _PROMPTS
    prompts = [tuple(random.integers(vocabulary, size=length).tolist()) for length in lengths]
    prompts[3] = prompts[1]
    replies = [
        tuple(random.integers(vocabulary, size=_REPLIES[n % len(_REPLIES)]).tolist()) for n in range(len(prompts))
    ]
    sessions = [engine.open_session() for _ in prompts]

    async def converse(number: int) -> _Spoken:
        spoken = _Spoken()
        sampling = Sampling(1.0, _NEW[number % len(_NEW)], ())
        key = StreamKey(0, Stream.SELF_CHECK, prompt=1, sample=number)
        for prompt_ids in (prompts[number], replies[number]):
            generation = await engine.generate(sessions[number], prompt_ids, sampling, key)
            spoken.token_ids += prompt_ids
            first = len(spoken.token_ids)
            spoken.logprobs |= {first + place: value for place, value in enumerate(generation.logprobs)}
            spoken.token_ids += generation.token_ids
        engine.close_session(sessions[number])
        return spoken

    return list(await asyncio.gather(*(converse(number) for number in range(len(prompts)))))


def _differences(policy: SampledPolicy, spoken: _Spoken) -> np.ndarray[Any, Any]:
    token_ids = torch.tensor([spoken.token_ids], device=policy.device)
    with torch.no_grad():
        logits_TV = policy.model(input_ids=token_ids, use_cache=False).logits[0].float()
    logprobs_TV = torch.log_softmax(logits_TV, dim=-1)
    places = torch.tensor(list(spoken.logprobs), device=policy.device)
    found = logprobs_TV[places - 1, token_ids[0, places]].cpu().numpy().astype(np.float64)
    # NaN on either side is as wrong as can be.
    return np.nan_to_num(np.abs(found - np.array(list(spoken.logprobs.values()))), nan=np.inf)


def _vocabulary(model: Any) -> int:
    return int(model.get_input_embeddings().num_embeddings)


def _long_prompt(model: Any) -> int:
    """Returns the length of a prompt beyond the model's window; 0 where it has none, or a wide one."""
    window = getattr(model.config.get_text_config(), "sliding_window", None) or 0
    return window + 3 if window <= WIDEST_WINDOW and window else 0
