"""Both sides of the step's benchmark do one whole step, and TRL's other ways compute what its own does."""

from __future__ import annotations

import pytest
import torch
from transformers import Qwen3ForCausalLM

from hack.bench.models import make_model
from hack.bench.own_step import OwnStep
from hack.bench.rounds import Rounds
from hack.bench.step import OURS, UnequalWorkError, explained, measure, reward, rows
from hack.bench.trl_step import COMPLETIONS, PLAIN, SHIPPED, WAYS, computing, plain_logprobs
from hack.bench.trl_trainer import make_trainer
from hack.bench.workloads import Workload, make_workload

SMALL = Workload("tiny", "tiny", make_workload("tiny", prompts=2, group=4).prompts, (2, 6, 3, 4, 1, 5, 2, 3))


def test_a_round_has_a_step_of_each_way_and_one_of_ours() -> None:
    """The same tokens in all of them, of which each takes some time to sample and some to learn."""
    measured = measure(SMALL, 1, "cpu", 4)
    names = [*WAYS, OURS]
    assert [row[0] for row in rows(measured)] == names
    for part in ("rollout", "update", "step"):
        assert all(measured[part].median(name) > 0 for name in names)


def test_other_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that sampled less would win."""

    class Lazy(OwnStep):
        def run(self, now: object) -> dict[str, float]:  # noqa: ARG002 (it doesn't even look)
            return {"rollout": 1.0, "update": 1.0, "tokens": 1}

    monkeypatch.setattr("hack.bench.step.OwnStep", Lazy)
    with pytest.raises(UnequalWorkError, match="ours: sampled 1 tokens"):
        measure(SMALL, 1, "cpu", 4)


def test_ours_learns() -> None:
    """A step changes every weight's tensor but those that no token touches."""
    model = make_model("tiny")
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    found = OwnStep(model, SMALL, reward).run(lambda: 0.0)
    assert found["tokens"] == SMALL.tokens
    assert all(not torch.equal(weight, before[name]) for name, weight in model.named_parameters())


@pytest.mark.parametrize("way", [COMPLETIONS, PLAIN])
def test_what_trl_computes_without_its_fallback_is_the_same(way: str) -> None:
    """Log-probabilities, entropies and gradients; only the time is another."""

    def scored(model: Qwen3ForCausalLM, chosen: str) -> list[torch.Tensor]:
        ids = torch.tensor(SMALL.prompts)[:, :12]
        mask = torch.ones_like(ids)
        mask[0, -2:] = 0
        with make_trainer(model, SMALL) as trainer, computing(chosen):
            score = trainer.trl._get_per_token_logps_and_entropies
            logprobs, entropies, _ = score(trainer.model, ids, mask, 5, compute_entropy=True)
            (logprobs * torch.arange(5)).sum().backward()
            return [logprobs.detach(), entropies, *(weight.grad for weight in trainer.model.parameters())]

    model = make_model("tiny")
    for found, expected in zip(scored(model, way), scored(model, SHIPPED), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_plain_logprobs_have_the_temperature() -> None:
    """As the tiles do: logits are divided by it."""
    hidden, weight, targets = torch.randn(3, 4), torch.randn(7, 4), torch.tensor([0, 6, 2])
    found, entropies, *_ = plain_logprobs(hidden, weight, None, targets, 2.0)
    expected = torch.distributions.Categorical(logits=hidden @ weight.t() / 2.0)
    assert found is not None
    assert entropies is not None
    torch.testing.assert_close(found, expected.log_prob(targets))
    torch.testing.assert_close(entropies, expected.entropy())


def test_what_is_saved_is_told_by_where() -> None:
    """Of 7 s: 3 in the rollout; 2 and 1 that TRL's fallback costs; 1 in the rest of the update."""
    rollout = Rounds({SHIPPED: [5.0], COMPLETIONS: [5.0], PLAIN: [5.0], OURS: [2.0]})
    update = Rounds({SHIPPED: [6.0], COMPLETIONS: [4.0], PLAIN: [3.0], OURS: [2.0]})
    step = Rounds({SHIPPED: [11.0], COMPLETIONS: [9.0], PLAIN: [8.0], OURS: [4.0]})
    told = explained({"rollout": rollout, "update": update, "step": step})
    assert told.startswith("Ours saves 7.00 s of a step: 3.00 s in the rollout, 2.00 s because")
    assert "1.00 s because of its tiles" in told
    assert told.endswith("Against TRL without its CPU fallback it is 2.00 x as fast.")
