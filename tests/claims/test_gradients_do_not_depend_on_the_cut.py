"""An update's gradient depends on its rows alone: not on the passes they are cut into, nor on the ranks that share it.

Nine rows of eight trajectories, one of which has two. Loss by loss, with old log-probabilities so far from the policy's
that clips cut, and a penalty. In float64 to 1e-10, by a model without a step in float32; in float32 to 1e-5.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed
from transformers import GPT2Config, GPT2LMHeadModel, Qwen3Config, Qwen3ForCausalLM

from tests.ranks import run_ranks
from tests.trainyard_trainer import policies
from trainyard_api.algorithm import GRPOConfig, KLPenalty, LossType
from trainyard_trainer.algorithms.losses import make_loss
from trainyard_trainer.models.load import LoadedModel
from trainyard_trainer.numbers import value_of
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.loss import Loss, LossInputs, TokenLosses
from trainyard_trainer.policy.micro_batches import cut_rows
from trainyard_trainer.policy.settings import PolicySettings
from trainyard_trainer.policy.torch_policy import TorchPolicy

VOCABULARY, LONGEST = 40, 16
DTYPES = [torch.float64, torch.float32]
BOUND = {torch.float64: 1e-10, torch.float32: 1e-5}
SHARES = {"4 and 4": [range(4), range(4, 8)], "8 and none": [range(8), range(0)]}


def rows() -> list[Row]:
    """Rows of different lengths, the longest of all in trajectory 0; trajectory 3 has a second one."""
    draw = random.Random(0)
    lengths = [(0, LONGEST), (1, 9), (2, 12), (3, 10), (3, 5), (4, 7), (5, 11), (6, 4), (7, 8)]
    return [row(draw, number, length) for number, length in lengths]


def row(draw: random.Random, trajectory: int, length: int) -> Row:
    """Two given tokens, then some trained and some not, as a tool's result."""
    mask = (False, False, True, *(draw.random() < 0.8 for _ in range(length - 3)))
    near = [-math.log(VOCABULARY) + draw.gauss(0, 0.5) for _ in range(length)]
    return Row(
        token_ids=tuple(draw.randrange(VOCABULARY) for _ in range(length)),
        mask=mask,
        advantages=(draw.gauss(0, 1),) * length,
        weights=tuple(trained / 50 for trained in mask),
        trajectory=trajectory,
        old_logprobs=tuple(near),
        reference_logprobs=tuple(value + 0.1 for value in near),
    )


def policy(dtype: torch.dtype, limit: int = 10_000, group: object = None) -> TorchPolicy:
    """A tiny random model: one whose norms, too, compute in float64, or a modern one in float32."""
    torch.manual_seed(0)
    if dtype == torch.float64:
        model = GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=32))
    else:
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        model = Qwen3ForCausalLM(Qwen3Config(vocab_size=VOCABULARY, num_key_value_heads=2, head_dim=8, **sizes))
    settings = PolicySettings(learning_rate=1e-3, micro_batch_tokens=limit)
    return TorchPolicy(LoadedModel(model.to(dtype), None, 0), settings, group)


def loss_of(kind: LossType) -> Loss:
    """The loss as a run has it, with the penalty whose gradient goes through the ratio."""
    constant = 16 if kind is LossType.DR_GRPO else None
    return make_loss(GRPOConfig(loss=kind, steps=1, max_policy_tokens=constant, kl=KLPenalty()))


def gradients(of: TorchPolicy, share: list[Row]) -> dict[str, torch.Tensor]:
    """The gradient by loss, as one vector each."""
    found = {}
    for kind in LossType:
        tally, _ = of.accumulate(share, loss_of(kind))
        assert value_of(tally.numbers(), "clip_ratio/high_mean") > 0 or kind is LossType.CISPO
        found[kind.value] = torch.cat([parameter.grad.flatten() for parameter in of.trained])
    return found


def require_equal(found: dict[str, torch.Tensor], whole: dict[str, torch.Tensor], bound: float) -> None:
    """Relative to the gradient's norm."""
    for kind, gradient in whole.items():
        assert gradient.norm() > 0
        assert (found[kind] - gradient).norm() / gradient.norm() <= bound, kind


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_pass_and_many_give_one_gradient(dtype: torch.dtype) -> None:
    """All trajectories in one pass, each in its own, five and three."""
    limits = {"1 x 8": 10_000, "8 x 1": 1, "5 + 3": 6 * LONGEST}
    cuts = {
        name: [{rows()[at].trajectory for at in members} for members in cut_rows(rows(), limit)]
        for name, limit in limits.items()
    }
    assert {name: [len(trajectories) for trajectories in cut] for name, cut in cuts.items()} == {
        "1 x 8": [8],
        "8 x 1": [1] * 8,
        "5 + 3": [5, 3],
    }
    whole, *others = (gradients(policy(dtype, limit), rows()) for limit in limits.values())
    for found in others:
        require_equal(found, whole, BOUND[dtype])


def test_two_ranks_and_one_give_one_gradient(tmp_path: Path) -> None:
    """Four trajectories each; and all on one rank, nothing but padding on the other. Both ranks hold the same bytes,
    and share what befalls one of them.
    """
    run_ranks(rank, tmp_path)
    for dtype in DTYPES:
        whole = gradients(policy(dtype), rows())
        for name in SHARES:
            first, second = (torch.load(tmp_path / f"{dtype}-{name}-{number}.pt") for number in (0, 1))
            require_equal(first, whole, BOUND[dtype])
            assert all(torch.equal(first[kind], second[kind]) for kind in whole)
    require_common_fate(*(torch.load(tmp_path / f"befallen-{number}.pt") for number in (0, 1)))


def require_common_fate(first: tuple, second: tuple) -> None:
    """Where one rank had to begin again, or to skip, both did; and none counted a row twice."""
    alone = policy(torch.float32)
    norm = value_of(alone.update(rows(), loss_of(LossType.DAPO)), "grad_norm")
    for found, limit, skipped, weights in (first, second):
        assert found == [(pytest.approx(norm, rel=1e-5), False, 1), (None, True, 0)]
        assert (limit, skipped) == (first[1], 1)
        assert torch.equal(weights, first[3])


def rank(number: int, folder: Path) -> None:
    """One process of two: its share's gradients, summed over both, into files; then what befalls one of them."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=number, world_size=2)
    for dtype in DTYPES:
        for name, shares in SHARES.items():
            share = [one for one in rows() if one.trajectory in shares[number]]
            # A row without a trained token is what padding a share comes to.
            share = share or [Row((1, 2), (False, False), (0.0, 0.0), (0.0, 0.0), trajectory=0)]
            found = gradients(policy(dtype, group=distributed.group.WORLD), share)
            torch.save(found, folder / f"{dtype}-{name}-{number}.pt")
    befallen(number, folder)
    distributed.destroy_process_group()


def befallen(number: int, folder: Path) -> None:
    """Out of memory on the second rank only, then a loss that isn't a number there: what came of it into a file."""
    share = [one for one in rows() if one.trajectory in SHARES["4 and 4"][number]]
    chosen = policy(torch.float32, group=distributed.group.WORLD)
    usual, passes = loss_of(LossType.DAPO), []

    def scarce(inputs: LossInputs) -> TokenLosses:
        passes.append(number)
        if number == 1 and len(passes) == 1:
            raise torch.OutOfMemoryError
        return usual(inputs)

    def broken(inputs: LossInputs) -> TokenLosses:
        out = usual(inputs)
        return replace(out, losses=out.losses * (math.nan if number == 1 else 1.0))

    outcomes = [chosen.update(share, replace(usual, of=of)) for of in (scarce, broken)]
    found = [policies.found(outcome, "grad_norm", "skipped_updates", "out_of_memory") for outcome in outcomes]
    weights = torch.cat([parameter.detach().flatten() for parameter in chosen.trained])
    torch.save((found, chosen.micro_batch_tokens, chosen.skipped_in_a_row, weights), folder / f"befallen-{number}.pt")
