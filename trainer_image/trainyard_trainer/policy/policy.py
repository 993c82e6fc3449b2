"""Defines what holds the weights: a policy that scores rows and takes updates.

Place in the data's way: stations 5 and 8. Values and protocols only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from trainyard_trainer.numbers import Numbers
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.loss import Loss
from trainyard_trainer.policy.ranks import Ranks
from trainyard_trainer.sinks import Snapshot


@dataclass(frozen=True, slots=True)
class SamplerTolerance:
    """Bounds, in nats, what rounding alone makes between sampler and policy; infinite where it doesn't matter.

    Attributes:
        largest: of one token.
        mean: over an update's tokens.
    """

    largest: float
    mean: float


class Policy(Protocol):
    """Holds the weights and their optimizer: the only place that knows how they are spread over devices.

    Attributes:
        architecture: name of the model's class.
        learning_rate: the optimizer's.
        sampler_tolerance: differences between sampler and policy that rounding explains in the type that the model
            computes in.
        ranks: the processes that share each update; one's own alone where nobody does.
    """

    architecture: str
    learning_rate: float
    sampler_tolerance: SamplerTolerance
    ranks: Ranks

    @property
    def version(self) -> int:
        """Counts the optimizer updates done so far."""

    @property
    def skipped_in_a_row(self) -> int:
        """Counts the updates skipped since the last that was done."""

    def has_finite_weights(self) -> bool:
        """Tells whether every weight is a finite number."""

    def prepare(self, longest_row: int) -> None:
        """Settles how many tokens a pass may have, given the longest row; once, before the first step."""

    def score(self, rows: Sequence[Row]) -> list[tuple[float, ...]]:
        """Gives log-probabilities of each row's tokens under the weights of now; NaN where the mask is False.

        Raises:
            DroppedError: a stop was asked for, and the rest doesn't fit into its grace.
        """

    def reference_score(self, rows: Sequence[Row]) -> list[tuple[float, ...]]:
        """Gives the same under the reference: the weights that the run began with."""

    def update(self, rows: Sequence[Row], loss: Loss) -> Numbers:
        """Makes one optimizer update on the weighted sum of all rows' token losses, however many passes it takes.

        Returns: `loss`, the whole update's; `grad_norm`, before clipping; `entropy`, the mean over policy tokens in
            nats; `sampling_logp_difference/{mean,max}`; `trained_tokens`; `skipped_updates`, 1 where loss or gradient
            wasn't finite and nothing changed; `out_of_memory`, how often passes were made smaller and done again; and
            what the loss declares. A value that isn't finite, or doesn't exist, is absent.

        Raises:
            DroppedError: a stop was asked for, and to make the update again costs less; all is as it was before.
        """

    def load_weights(self, folder: Path) -> None:
        """Takes the weights of a snapshot whose files lie in `folder`, bit for bit; the reference stays as it is."""

    def state(self) -> dict[str, Any]:
        """Copies what a continuation needs besides the weights to host memory."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Goes on from `state`, bit for bit, given the weights that it was taken with."""

    def snapshot(
        self,
        step: int,
        metrics: Mapping[str, str],
        *,
        updates: int | None = None,
        more: Mapping[str, Any] | None = None,
        final: bool = False,
    ) -> Snapshot:
        """Copies weights and state; what is trained afterwards changes nothing of the copy.

        Args:
            step: finished steps.
            metrics: of the last of them.
            updates: updates done of the next step; None between steps.
            more: goes into the trainer's state.
            final: whether the run ends here: an adapter is merged, so that the files can be used without the run.
        """
