"""Does supervised fine-tuning.

Place in the data's way: station 8. A step draws demonstrations and updates the policy towards its own turns in them.
There are no rollouts and no rewards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from trainyard_api.algorithm import SFTConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.base import Batch, PolicyAlgorithm, no_batch
from trainyard_trainer.algorithms.metrics import sft_values
from trainyard_trainer.algorithms.not_finite import Suspects, require_finite
from trainyard_trainer.chat.renderer import Renderer
from trainyard_trainer.chat.text_encoder import UnwritableError
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.numbers import Numbers
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.loss import Loss, TokenLosses
from trainyard_trainer.reporting.progress_reporter import ProgressReporter
from trainyard_trainer.reporting.stopwatch import Stopwatch
from trainyard_trainer.tasks.task import DemonstrationTurn
from trainyard_trainer.trajectory import Trajectory

SFT_LOSS: Final = Loss(lambda inputs: TokenLosses(-inputs.logprobs))
"""The negative log-likelihood of each token."""
SUSPECTS: Final = Suspects("spec.algorithm.sft")


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """Holds the rows of a step, which are drawn in no time; `numbers` are those of its update, None before."""

    kept: ClassVar[bool] = False
    rows: Sequence[Row]
    numbers: Numbers | None = None

    @property
    def done(self) -> int:
        """Counts the updates done."""
        return int(self.numbers is not None)

    def to_state(self) -> dict[str, Any]:
        """Gives nothing, for nothing is kept."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SFT(PolicyAlgorithm):
    """Trains on demonstrations; refuses to go on after three updates in a row that aren't finite."""

    config: SFTConfig
    questions: Questions
    renderer: Renderer

    @property
    def steps(self) -> int:
        """Counts the steps of the run."""
        return self.config.steps

    @property
    def updates_per_step(self) -> int:
        """Gives one, so that no step is ever left between two."""
        return 1

    def collect(self, step: int, watch: Stopwatch, progress: ProgressReporter) -> Demonstrations:  # noqa: ARG002 (instant)
        """Draws demonstrations."""
        shown = self.questions.demonstrations(step, self.config.batch_size)
        return Demonstrations(demonstration_rows(shown, self.renderer))

    def batch(self, collected: Demonstrations, step: int) -> Demonstrations:  # noqa: ARG002 (they fit as they are)
        """Gives the demonstrations."""
        return collected

    def updates(self, batch: Demonstrations) -> Iterator[tuple[int, int, Demonstrations]]:
        """Updates once on all of them."""
        numbers = self.policy.update(batch.rows, SFT_LOSS)
        require_finite(self.policy, batch.rows, SUSPECTS)
        yield 1, 1, Demonstrations(batch.rows, numbers)

    def measured(
        self, batch: Demonstrations, seconds: Mapping[str, float]
    ) -> tuple[Sequence[Trajectory], dict[str, float]]:
        """Gives the numbers of the update and of the demonstrations; there are no trajectories."""
        return (), sft_values(batch.rows, batch.numbers or {}, seconds)

    @staticmethod
    def batch_from_state(state: Mapping[str, Any]) -> Batch:
        """Refuses what another algorithm kept."""
        return no_batch(state)


def demonstration_rows(demonstrations: Sequence[Sequence[DemonstrationTurn]], renderer: Renderer) -> list[Row]:
    """Makes rows of demonstrations; each policy token weighs 1 / all policy tokens, so the loss is their mean.

    Raises:
        RefusedError: INVALID_DATA; a text in one has no ids, or nothing in them is the policy's. The data report says
            the former first, of data from files.
    """
    tokenised = [_tokenised(turns, renderer) for turns in demonstrations]
    whole = sum(sum(mask) for _, mask in tokenised)
    if not whole:
        rule = "a demonstration must hold a turn of the policy, for nothing else is learned from it"
        shown = str(demonstrations[0][0].said)[:200] if demonstrations and demonstrations[0] else ""
        raise RefusedError(TerminationReason.INVALID_DATA, rule, field_path="spec.task.name", value=shown)
    return [
        Row(
            token_ids=token_ids,
            mask=mask,
            advantages=(1.0,) * len(token_ids),
            weights=tuple(float(trained) / whole for trained in mask),
            trajectory=number,
        )
        for number, (token_ids, mask) in enumerate(tokenised)
    ]


def _tokenised(turns: Sequence[DemonstrationTurn], renderer: Renderer) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    try:
        return renderer.demonstration(turns)
    except UnwritableError as error:
        shown = str(turns[0].said)[:200] if turns else ""
        rule = f"a demonstration must be a text that the model can read; {error}"
        raise RefusedError(TerminationReason.INVALID_DATA, rule, field_path="spec.task.name", value=shown) from error
