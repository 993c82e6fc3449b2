"""TRL's `GRPOTrainer` as it is shipped, around a copy of a benchmark's model.

Its defaults, but for what both sides have in common: float32 on a CPU, no gradient checkpointing, the same clips, and
lengths that are forced. The model's `generate` gets the logits processor that forces them, for TRL has no way to pass
one on.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from transformers import LogitsProcessorList, PrinterCallback, Qwen3ForCausalLM

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations within TRL and what it imports
    from datasets import Dataset  # type: ignore[import-untyped]
    from trl import GRPOConfig, GRPOTrainer

from hack.bench.forced_lengths import EndAt
from hack.bench.models import as_text, make_tokenizer
from hack.bench.workloads import Completions, Workload

Reward = Callable[[Sequence[int]], float]
"""A number for what was sampled in a row."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """TRL's trainer, its model, and the workload that both are for."""

    trl: Any
    model: Any
    workload: Workload

    def generate(self) -> Completions:
        """Runs TRL's generation alone, as its steps call it."""
        prompts = [list(prompt) for prompt in self.workload.prompts]
        generate = self.trl._generate_single_turn  # noqa: SLF001 - TRL offers no public way to generate alone
        found: Completions = generate(prompts, None, {}, self.trl.num_generations)[0]
        return found


@contextmanager
def make_trainer(
    model: Qwen3ForCausalLM,
    workload: Workload,
    *,
    reward: Reward = len,
    rows_per_pass: int = 8,
    steps: int = 1,
    callbacks: Sequence[Any] = (),
) -> Iterator[Trainer]:
    """Makes a trainer whose steps are the workload: its prompts, groups and lengths.

    Args:
        model: is copied, for TRL changes its forward.
        workload: all groups of one size.
        reward: of a row's ids.
        rows_per_pass: rows of one forward and backward pass; TRL's default is 8.
        steps: optimizer updates, one for each rollout.
        callbacks: transformers' `TrainerCallback`s.
    """
    own = copy.deepcopy(model)
    prompts = dict.fromkeys(workload.prompts)

    def rewards(completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        return [reward(ids) for ids in completion_ids]

    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        config = _config(workload, folder, rows_per_pass, steps)
        trainer = GRPOTrainer(
            own,
            rewards,
            config,
            Dataset.from_dict({"prompt": [as_text(prompt) for prompt in prompts]}),
            processing_class=make_tokenizer(own.config.vocab_size),
            callbacks=list(callbacks),
        )
        trainer.remove_callback(PrinterCallback)
        trainer.generation_config.do_sample = not workload.greedy
        ends = LogitsProcessorList([EndAt(workload.lengths, len(workload.prompts[0]))])
        own.generate = partial(type(own).generate, own, logits_processor=ends)
        yield Trainer(trainer, own, workload)


def _config(workload: Workload, folder: str, rows_per_pass: int, steps: int) -> Any:
    rows = len(workload.prompts)
    return GRPOConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        shuffle_dataset=False,
        max_steps=steps,
        per_device_train_batch_size=rows_per_pass,
        gradient_accumulation_steps=rows // rows_per_pass,
        num_generations=max(2, rows // len(set(workload.prompts))),
        max_completion_length=max(workload.lengths),
        learning_rate=1e-6,
        lr_scheduler_type="constant",
        epsilon_high=0.28,
    )
