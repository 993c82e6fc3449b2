"""Engines that generate, each given the same weights and the same rows, and each told how long every row is to be.

`generate` and TRL end a row by an end id (`forced_lengths`), the others by a limit for each row.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig, LogitsProcessorList, Qwen3ForCausalLM
from transformers.utils import logging as transformers_logging

from hack.bench.forced_lengths import EndAt
from hack.bench.models import EOS, PAD
from hack.bench.workloads import Completions, Workload
from trainyard_trainer.randomness import Stream, StreamKey
from trainyard_trainer.sampling.in_process.reading import CachedModel
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder
from trainyard_trainer.trajectory import Sampling

Generate = Callable[[], Completions]
Engine = Callable[[Qwen3ForCausalLM, Workload], AbstractContextManager[Generate]]
"""Opens for one workload; what it gives generates all rows anew at every call."""
PAGE, SPARE_PAGES = 256, 8
"""Tokens of a page of `generate_batch`, its default; and pages for what it begins before others end."""
STOP_SECONDS = 5.0

transformers_logging.set_verbosity_error()
logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)


@contextmanager
def by_generate(model: Qwen3ForCausalLM, workload: Workload, cache: str) -> Iterator[Generate]:
    """Gives transformers' `generate` for the whole batch, with a `dynamic` or a `static` cache; a CPU compiles
    neither.
    """
    config = GenerationConfig(
        do_sample=not workload.greedy,
        temperature=1.0,
        top_k=0,
        max_new_tokens=max(workload.lengths),
        eos_token_id=EOS,
        pad_token_id=PAD,
        cache_implementation=None if cache == "dynamic" else cache,
    )
    ids = torch.tensor(workload.prompts)

    def generate() -> Completions:
        ends = LogitsProcessorList([EndAt(workload.lengths, ids.shape[1])])
        mask = torch.ones_like(ids)
        with torch.no_grad():
            found = model.generate(ids, attention_mask=mask, generation_config=config, logits_processor=ends)
        return [row[:length] for row, length in zip(found[:, ids.shape[1] :].tolist(), workload.lengths, strict=True)]

    yield generate


@contextmanager
def by_generate_batch(model: Qwen3ForCausalLM, workload: Workload) -> Iterator[Generate]:
    """Gives transformers' continuous batching as `generate_batch` does, but with a limit for each row, which that can't
    take.

    Its manager stays open: starting and stopping it, which takes seconds each time, isn't counted. It has as many pages
    as the rows need; by default it would take nine tenths of the machine's memory.
    """
    rows = [(list(prompt), length) for prompt, length in zip(workload.prompts, workload.lengths, strict=True)]
    pages = sum(-(-(len(prompt) + length) // PAGE) for prompt, length in rows)
    config = GenerationConfig(
        do_sample=not workload.greedy, temperature=1.0, top_k=0, eos_token_id=-1, pad_token_id=PAD
    )
    batching = ContinuousBatchingConfig(num_blocks=pages + SPARE_PAGES)
    own = copy.deepcopy(model)  # the manager changes how its model attends

    def generate() -> Completions:
        asked = {manager.add_request(prompt, max_new_tokens=length): row for row, (prompt, length) in enumerate(rows)}
        found: dict[int, list[int]] = {}
        while len(found) < len(rows):
            result = manager.get_result(timeout=1)
            if result is not None and result.is_finished():
                found[asked[result.request_id]] = result.generated_tokens
            elif result is None and not manager.is_running():
                raise RuntimeError("generate_batch: ended before all rows had")
        return [found[row] for row in range(len(rows))]

    with (
        torch.no_grad(),
        own.continuous_batching_context_manager(
            config, timeout=STOP_SECONDS, continuous_batching_config=batching
        ) as manager,
    ):
        yield generate


@dataclass(slots=True)
class SampledPolicy:
    """A model as the trainer's engine takes it."""

    model: Any
    device: torch.device
    pad_id: int = PAD
    version: int = 0
    slots: int | None = None

    def room(self) -> None:
        """Returns None, for no limit is known."""


class NeverStopped:
    """Nobody stops a benchmark."""

    def requested(self) -> bool:
        """Returns False."""
        return False


@dataclass(frozen=True, slots=True)
class Sampled:
    """What our engine gives: ids and log-probabilities of each row."""

    completions: Completions
    logprobs: list[list[float]]


def sample(model: Qwen3ForCausalLM, workload: Workload) -> Sampled:
    """Samples with the trainer's engine, every row a conversation of one turn."""
    policy = SampledPolicy(model, model.device)
    engine = InProcessEngine(policy, NeverStopped(), SlotDecoder(CachedModel(policy)))

    async def one(row: int, session: Any) -> tuple[list[int], list[float]]:
        how = Sampling(1.0, workload.lengths[row], (), top_k=1 if workload.greedy else None)
        key = StreamKey(0, Stream.TRAINING_TOKENS, sample=row)
        generation = await engine.generate(session, workload.prompts[row], how, key)
        engine.close_session(session)
        return list(generation.token_ids), list(generation.logprobs)

    async def all_rows() -> list[tuple[list[int], list[float]]]:
        sessions = [engine.open_session() for _ in workload.prompts]
        return list(await asyncio.gather(*(one(row, session) for row, session in enumerate(sessions))))

    rows = asyncio.run(all_rows())
    return Sampled([ids for ids, _ in rows], [logprobs for _, logprobs in rows])


@contextmanager
def by_ours(model: Qwen3ForCausalLM, workload: Workload) -> Iterator[Generate]:
    """Gives the trainer's engine, which computes log-probabilities too; the others don't."""
    yield lambda: sample(model, workload).completions


@contextmanager
def by_trl(model: Qwen3ForCausalLM, workload: Workload) -> Iterator[Generate]:
    """Gives the way in which TRL's trainer generates by default, around a copy of the model."""
    from hack.bench.trl_trainer import make_trainer  # noqa: PLC0415 - slow, and one engine's alone

    with make_trainer(model, workload) as trainer:
        yield trainer.generate


ENGINES: dict[str, Engine] = {
    "generate dynamic": partial(by_generate, cache="dynamic"),
    "generate static": partial(by_generate, cache="static"),
    "generate_batch": by_generate_batch,
    "TRL": by_trl,
    "ours": by_ours,
}
"""By the table's names."""
ENDED_BY_ID = frozenset({"generate dynamic", "generate static", "TRL"})
"""Those whose rows end with an end id that is forced."""
