"""TRL's side of a comparison: its trainer around a tiny model, and one batch in its form and in ours.

Eight trajectories of two groups, prompts and completions of different lengths, a tool's answer in the middle of each.
Old log-probabilities are moved so far from the model's that on either side a fifth of the tokens at least is clipped.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from tests.trainyard_trainer.trajectories import trajectory
from trainyard_trainer.algorithms.scored_batch import ScoredBatch
from trainyard_trainer.trajectory import Segment, Trajectory

GROUP = 4
PROMPTS = (3, 3, 3, 3, 5, 5, 5, 5)
COMPLETIONS = (9, 14, 7, 20, 16, 11, 24, 13)
ADVANTAGES = (1.2, -0.4, -1.1, 0.3, 0.9, -1.3, -0.2, 0.6)
VOCABULARY, PAD, MAX_COMPLETION = 64, 0, 24
FAR = 2.0
"""How many nats a moved token's log-probability is off: a ratio of 7.4 or 0.14, outside of every clip."""


def tiny_model() -> Qwen3ForCausalLM:
    """22,720 random parameters, large enough for probabilities that are far from uniform."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        initializer_range=0.2,
        max_position_embeddings=64,
    )
    return Qwen3ForCausalLM(config).eval()


def trl_trainer(folder: Path) -> Any:
    """A `GRPOTrainer` of a tiny model; a test sets what it compares by attribute."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations within TRL and what it imports
        from datasets import Dataset
        from tokenizers import Tokenizer, models
        from transformers import PreTrainedTokenizerFast
        from trl import GRPOConfig, GRPOTrainer

        vocabulary = {token: number for number, token in enumerate(["<pad>", "<eos>", "<unk>", "a"])}
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>")),
            pad_token="<pad>",
            eos_token="<eos>",
        )
        config = GRPOConfig(
            output_dir=str(folder),
            use_cpu=True,
            bf16=False,
            report_to=[],
            per_device_train_batch_size=8,
            num_generations=GROUP,
            max_completion_length=MAX_COMPLETION,
            gradient_checkpointing=False,
        )
        dataset = Dataset.from_dict({"prompt": ["a"] * 8})
        return GRPOTrainer(tiny_model(), lambda reward, **_: reward, config, dataset, processing_class=tokenizer)


@dataclass(frozen=True)
class Batch:
    """The same eight trajectories: ours, and TRL's tensors, which are padded and have completions only."""

    scored: ScoredBatch
    trl: dict[str, torch.Tensor]


def policy_logprobs(model: torch.nn.Module, token_ids: Sequence[int]) -> torch.Tensor:
    """Log-probability of each token given those before it, by one plain forward pass; [T], 0 for the first."""
    logits_TV = model(input_ids=torch.tensor([token_ids]), use_cache=False).logits[0, :-1]
    taken_T = torch.log_softmax(logits_TV.float(), dim=-1).gather(-1, torch.tensor(token_ids[1:])[:, None])[:, 0]
    return torch.nn.functional.pad(taken_T, (1, 0))


def make_batch(model: torch.nn.Module, *, by_trajectory: bool, far: float = FAR) -> Batch:
    """One batch; `by_trajectory` moves all tokens of a trajectory the same way, else each token has its own."""
    generator = torch.Generator().manual_seed(1)
    trajectories, old, reference = [], [], []
    for index, (prompt, completion) in enumerate(zip(PROMPTS, COMPLETIONS, strict=True)):
        token_ids = torch.randint(3, VOCABULARY, (prompt + completion,), generator=generator).tolist()
        tool = range(prompt + 3, prompt + 3 + 2 + index % 3)
        mask = tuple(place >= prompt and place not in tool for place in range(len(token_ids)))
        with torch.no_grad():
            now_T = policy_logprobs(model, token_ids)
        ratios_T = _log_ratios(index, len(token_ids), generator, by_trajectory=by_trajectory, far=far)
        old.append((_masked(now_T - ratios_T, mask),))
        reference.append((_masked(now_T + 0.4 * torch.randn(len(token_ids), generator=generator), mask),))
        trajectories.append(_trajectory(index, token_ids, mask))
    scored = ScoredBatch(0, 1, tuple(trajectories), tuple(old), tuple(reference))
    return Batch(scored, trl_inputs(scored, range(len(trajectories))))


def trl_inputs(scored: ScoredBatch, indices: Sequence[int]) -> dict[str, torch.Tensor]:
    """These trajectories as `compute_loss` takes them; `num_items_in_batch` is that of the whole batch."""
    chosen = [scored.trajectories[index] for index in indices]
    prompts = [_prompt(one) for one in chosen]
    ids = [one.segments[0].token_ids for one in chosen]
    starts = [len(prompt) for prompt in prompts]
    width = max(len(row) - start for row, start in zip(ids, starts, strict=True))

    def completions(rows: Sequence[Sequence[float]], kind: torch.dtype) -> torch.Tensor:
        cut = [list(row)[start:] for row, start in zip(rows, starts, strict=True)]
        return torch.tensor([row + [0] * (width - len(row)) for row in cut], dtype=kind).nan_to_num(-1.0)

    left = max(starts)
    return {
        "prompt_ids": torch.tensor([[PAD] * (left - len(prompt)) + list(prompt) for prompt in prompts]),
        "prompt_mask": torch.tensor([[0] * (left - len(prompt)) + [1] * len(prompt) for prompt in prompts]),
        "completion_ids": completions(ids, torch.long),
        "completion_mask": completions([[1] * len(row) for row in ids], torch.long),
        "tool_mask": completions([one.segments[0].mask for one in chosen], torch.long),
        "advantages": torch.tensor([one.advantage for one in chosen]),
        "old_per_token_logps": completions(_logprobs(scored.old_logprobs, indices), torch.float32),
        "ref_per_token_logps": completions(_logprobs(scored.reference_logprobs, indices), torch.float32),
        "num_items_in_batch": torch.tensor(float(sum(one.policy_tokens for one in scored.trajectories))),
    }


def trl_gradient(trainer: Any, scored: ScoredBatch, cuts: Sequence[Sequence[int]]) -> torch.Tensor:
    """Gradient of all weights, flat, summed over micro-batches of these trajectories, as TRL accumulates it."""
    trainer.model.train().zero_grad()
    trainer.current_gradient_accumulation_steps = trainer.args.steps_per_generation = len(cuts)
    for indices in cuts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.compute_loss(trainer.model, trl_inputs(scored, indices)).backward()
    return flat_gradient(trainer.model)


def trl_scored(trainer: Any, completions: Sequence[Sequence[int]], rewards: Sequence[float]) -> dict[str, torch.Tensor]:
    """What TRL makes of sampled completions and their rewards: its advantages and masks."""
    trainer.rollout_func = lambda prompts, _: {
        "prompt_ids": [[3]] * len(prompts),
        "completion_ids": [list(completion) for completion in completions],
        "logprobs": None,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return trainer._generate_and_score_completions([{"prompt": "a", "reward": reward} for reward in rewards])


def flat_gradient(model: torch.nn.Module) -> torch.Tensor:
    """All gradients of a model as one vector."""
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Length of the difference of two vectors, relative to the other's."""
    return float((one - other).norm() / other.norm())


def _log_ratios(
    index: int, length: int, generator: torch.Generator, *, by_trajectory: bool, far: float
) -> torch.Tensor:
    """log(policy / old policy): most move the way in which a clip takes the gradient, some the other, some hardly."""
    good = 1.0 if ADVANTAGES[index] > 0 else -1.0
    near_T = 0.05 * torch.randn(length, generator=generator)
    if by_trajectory:
        return near_T + far * good * (-1.0, 1.0, 0.0, 1.0, 1.0, -1.0, 1.0, 0.0)[index]
    draw_T = torch.rand(length, generator=generator)
    return torch.where(draw_T < 0.6, far * good, torch.where(draw_T < 0.85, -far * good, near_T))


def _trajectory(index: int, token_ids: Sequence[int], mask: tuple[bool, ...]) -> Trajectory:
    segment = Segment(tuple(token_ids), mask, (math.nan,) * len(mask), (1,) * len(mask))
    one = trajectory(0.0, prompt=index // GROUP, sample=index % GROUP)
    return replace(one, segments=(segment,), advantage=ADVANTAGES[index])


def _prompt(one: Trajectory) -> tuple[int, ...]:
    segment = one.segments[0]
    return segment.token_ids[: segment.mask.index(True)]


def _masked(values_T: torch.Tensor, mask: Sequence[bool]) -> tuple[float, ...]:
    return tuple(value if sampled else math.nan for value, sampled in zip(values_T.tolist(), mask, strict=True))


def _logprobs(logprobs: Any, indices: Sequence[int]) -> list[tuple[float, ...]]:
    return [logprobs[index][0] for index in indices]
