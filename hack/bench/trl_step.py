"""GRPO steps of TRL's trainer, in its own training loop, timed from outside; as shipped, and without its CPU fallback.

Where there is no Triton kernel, TRL computes log-probabilities of every position, prompts and padding too, in tiles of
torch operations. Its other two ways here do what a GPU would: completions alone; and those without the tiles. What they
save is what TRL loses on a CPU, and would not lose on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from transformers import Qwen3ForCausalLM, TrainerCallback

from hack.bench.trl_trainer import Reward, make_trainer
from hack.bench.workloads import Workload

SHIPPED, COMPLETIONS, PLAIN = "TRL", "TRL, completions only", "TRL, also without tiles"
WAYS = (SHIPPED, COMPLETIONS, PLAIN)
Record = Callable[[str, Mapping[str, Any]], None]


def plain_logprobs(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    temperature: float,
    *_: object,
) -> tuple[torch.Tensor | None, ...]:
    """Computes what TRL's tiles do, all at once: log-probabilities of `targets` [N] and, without a gradient, entropies
    [N]; `hidden` is [N, H], `weight` [V, H].
    """
    logprobs = torch.log_softmax(torch.nn.functional.linear(hidden, weight, bias) / temperature, dim=-1)
    with torch.no_grad():
        entropies = -(logprobs.exp() * logprobs).sum(-1)
    return logprobs.gather(-1, targets[:, None])[:, 0], entropies, None, None, None


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What TRL trains: rewards, how many rounds, and rows of one forward and backward pass (its default is 8)."""

    reward: Reward
    rounds: int
    rows_per_pass: int = 8


@contextmanager
def computing(way: str) -> Iterator[None]:
    """Makes TRL compute log-probabilities in one of `WAYS`."""
    if way == SHIPPED:
        yield
        return
    with patch("trl.trainer.utils._use_triton", lambda _: True):  # it decides there which positions are scored
        if way == COMPLETIONS:
            yield
            return
        with patch("trl.trainer.utils._ChunkedLogProbFunction", SimpleNamespace(apply=plain_logprobs)):
            yield


class Timer(TrainerCallback):  # type: ignore[misc]
    """Times TRL's steps, each in its way, and has the others run between them.

    Args:
        now: the clock.
        record: is told of every step: its way, seconds of `rollout` and `update`, and `tokens` that were sampled.
        after_round: runs when every way has had its turn.
    """

    def __init__(self, now: Callable[[], float], record: Record, after_round: Callable[[], None]) -> None:
        self._now, self._record, self._after_round = now, record, after_round
        self._began = self._rollout = 0.0
        self._tokens = 0
        self._open: Any = None

    def watch(self, trainer: Any) -> None:
        """Times what a trainer's steps generate and score."""
        inner = trainer._generate_and_score_completions  # noqa: SLF001 - the boundary that TRL itself has

        def timed(inputs: Any) -> Any:
            began = self._now()
            found = inner(inputs)
            self._rollout = self._now() - began
            self._tokens = int(found["completion_mask"].sum())
            return found

        trainer._generate_and_score_completions = timed  # noqa: SLF001

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - transformers'
        """Starts to time a step with all its passes."""
        self._open = computing(WAYS[state.global_step % len(WAYS)])
        self._open.__enter__()
        self._began = self._now()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - transformers'
        """Stops the time once the optimizer has stepped."""
        whole = self._now() - self._began
        self._open.__exit__(None, None, None)
        way = WAYS[(state.global_step - 1) % len(WAYS)]
        self._record(way, {"rollout": self._rollout, "update": whole - self._rollout, "tokens": self._tokens})
        if way == WAYS[-1]:
            self._after_round()


def train(model: Qwen3ForCausalLM, workload: Workload, plan: TrainingPlan, timer: Timer) -> None:
    """Runs rounds of one step in each of `WAYS`; the model itself isn't changed."""
    made = make_trainer(
        model,
        workload,
        reward=plan.reward,
        rows_per_pass=plan.rows_per_pass,
        steps=plan.rounds * len(WAYS),
        callbacks=[timer],
    )
    with made as trainer:
        timer.watch(trainer.trl)
        trainer.trl.train()
