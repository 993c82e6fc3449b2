"""What a ledger of files must hold for a run to go on from a checkpoint, and what is done where it doesn't.

Place in the data's way: between stations 9 and 10, where there is no cluster. Postgres keeps a step whole or not at
all, and before its checkpoint; files may be cut off, edited or lost. What is lost is made again, from the newest
checkpoint whose rows are all there, or from the first weights: rows are those of an undisturbed run in the end. Nothing
is thrown away that wasn't made by the step that is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from trainyard_api.names import COMMIT_FILE
from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.checkpoints.files import all_committed
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.ledger.log_contents import Measurement
from trainyard_trainer.ledger.trajectory_log import TrajectoryLog
from trainyard_trainer.storage.storage import Storage
from trainyard_trainer.training.train_state import TrainState


class Recovery:
    """Finds out which checkpoints the rows of a run's ledger reach.

    Raises:
        RefusedError: STORAGE_UNAVAILABLE; a file of it can't be read.
    """

    def __init__(self, ledger: TrajectoryLog, config: RunConfig, say: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._config = config
        self._say = say
        try:
            self._contents = ledger.contents()
        except OSError as error:
            rule = (
                f"must be a file that can be read ({error.strerror}): what it holds isn't known, so nothing is changed"
            )
            raise RefusedError(
                TerminationReason.STORAGE_UNAVAILABLE, rule, field_path="--resume", value=str(error.filename)
            ) from error
        self._lacking = False
        self._told: set[str] = set()

    def lacks(self, step: int, state: TrainState | None) -> str | None:
        """Says what is missing of the rows before a state of `step` finished steps; None where all are there.

        Measurements are asked for where `state`, which says which were made, is known.
        """
        why = self._contents.gap if step > self._contents.finished else None
        if why is None and state is not None:
            lost = next((of for of in self._measured(state) if of not in self._contents.measured), None)
            if lost is not None:
                why = f"the measurement {lost[0]!r} after {lost[1]} steps, or an answer of it, isn't in the ledger"
        self._lacking = self._lacking or why is not None
        return why

    def prepare(self, folder: Path) -> None:
        """Says once what was found broken, and makes the ledger keep a copy of each file that it changes."""
        for path in sorted(folder.glob(f"step-*/{COMMIT_FILE}")):
            if not path.is_file():
                self._tell(f"{path} must be a file, so its folder is no checkpoint and is passed over")
        for fault in self._contents.faults:
            self._tell(f"{fault}; it is taken out")
        if self._lacking or any(not fault.cut_off for fault in self._contents.faults):
            self._ledger.keep_former()
            self._tell("files of the ledger that lose lines are kept beside the new ones, as .broken")

    def claim(self, storage: Storage, prefix: str) -> None:
        """Claims committed checkpoints that the ledger doesn't name."""
        for one in reversed(all_committed(storage, prefix, lambda *_: None)):
            if one.uri not in self._contents.claimed and one.manifest.run_uid == self._config.run.uid:
                self._ledger.record_checkpoint(replace(one.saved(), attempt=None))

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._say(line)

    def _measured(self, state: TrainState) -> Iterator[Measurement]:
        """Yields the measurements that were made by then and won't be made again."""
        evaluation = self._config.evaluation
        if state.before is not None:
            yield "evaluation", 0
        if evaluation is not None and evaluation.validation is not None:
            every, last = evaluation.validation.every_steps, state.validation.last_step or 0
            yield from (("validation", step) for step in range(every, last + 1, every))
