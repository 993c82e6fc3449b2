"""Defines what holds the weights: a policy that scores rows and takes updates.

Place in the data's way: stations 5 and 8. Values and protocols only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.loss_inputs import LossInputs, TokenLosses
from trainyard_trainer.sinks import Snapshot

Loss: TypeAlias = Callable[[LossInputs], TokenLosses]
"""Losses of the policy tokens of one micro-batch. Pure; the policy weighs and sums them."""


@dataclass(frozen=True, slots=True)
class UpdateOutcome:
    """What an optimizer update measured; a value that isn't finite, or doesn't exist, is None.

    `loss` is the whole update's. `grad_norm` is the norm before clipping, `entropy` the mean over policy tokens in
    nats, `kl` the mean estimate of the divergence from the reference, `clip_low` and `clip_high` the shares of policy
    tokens whose gradient a clip cut. `sampler_gap` is the largest |log-probability of the sampler - of the policy| over
    tokens that this very version sampled, `sampler_gap_mean` the mean over the same tokens. `skipped` counts updates
    whose loss or gradient wasn't finite, which changed nothing: one at most, but where a step's updates are merged.
    `out_of_memory` counts passes that were given up and done again in smaller parts.
    """

    loss: float | None
    grad_norm: float | None
    entropy: float | None
    sampler_gap: float | None
    skipped: int
    kl: float | None = None
    clip_low: float | None = None
    clip_high: float | None = None
    policy_tokens: int = 0
    out_of_memory: int = 0
    sampler_gap_mean: float | None = None


@dataclass(frozen=True, slots=True)
class SamplerTolerance:
    """How far log-probabilities of sampler and policy may differ, in nats, by rounding alone: one token's, and the mean
    over an update's tokens; infinite where it doesn't matter.
    """

    largest: float
    mean: float


class Policy(Protocol):
    """The weights and their optimizer: the only place that knows how they are spread over devices.

    Attributes:
        architecture: name of the model's class.
        learning_rate: the optimizer's.
        sampler_tolerance: differences between sampler and policy that rounding explains in the type that the model
            computes in.
    """

    architecture: str
    learning_rate: float
    sampler_tolerance: SamplerTolerance

    @property
    def version(self) -> int:
        """Optimizer updates done so far."""

    @property
    def skipped_in_a_row(self) -> int:
        """Updates skipped since the last that was done."""

    def has_finite_weights(self) -> bool:
        """Whether every weight is a finite number."""

    def prepare(self, longest_row: int) -> None:
        """Settle how many tokens a pass may have, given the longest row to be expected; once, before the first step."""

    def score(self, rows: Sequence[Row]) -> list[tuple[float, ...]]:
        """Log-probabilities of each row's tokens under the weights of now; NaN where the mask is False."""

    def reference_score(self, rows: Sequence[Row]) -> list[tuple[float, ...]]:
        """The same under the reference: the weights that the run began with."""

    def update(self, rows: Sequence[Row], loss: Loss) -> UpdateOutcome:
        """One optimizer update on the weighted sum of all rows' token losses, however many passes it takes."""

    def load_weights(self, folder: Path) -> None:
        """Take the weights of a snapshot whose files lie in `folder`, bit for bit; the reference stays as it is."""

    def state(self) -> dict[str, Any]:
        """What a continuation needs besides the weights, copied to host memory."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, bit for bit, given the weights that it was taken with."""

    def snapshot(
        self,
        step: int,
        metrics: Mapping[str, str],
        *,
        updates: int | None = None,
        more: Mapping[str, Any] | None = None,
        final: bool = False,
    ) -> Snapshot:
        """Weights and state after `step` finished steps and `updates` of the next one's, copied to host memory; `more`
        goes into the trainer's state. A `final` one can be used without its run: an adapter is merged in it.
        """
