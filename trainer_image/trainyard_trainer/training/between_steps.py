"""What happens between two steps, and before the first and after the last.

Place in the data's way: between stations 8 and 5. Always in this order, so that a checkpoint holds what validation made
of its state: validation if due, a checkpoint if due, a stop if asked for. Each is done once for a state, also when a
run goes on from it: a stop may have come in between.
"""

from __future__ import annotations

from trainyard_trainer.evaluation.early_stopping import is_new_best, should_stop
from trainyard_trainer.training.components import Outlets, Parts
from trainyard_trainer.training.saving import is_due, save, stop_if_asked
from trainyard_trainer.training.train_state import Position
from trainyard_trainer.training.validate import validate


def goes_on(steps: int, parts: Parts, outlets: Outlets, position: Position) -> bool:
    """Do what is due at a position; whether there is another step after it.

    Raises:
        RolloutInterruptedError: a stop was asked for during validation.
        StoppedError: one was asked for; the state of now is committed.
    """
    if position.batch is not None:  # the middle of a step, from which the run goes on
        return True
    validate(parts, outlets, position)
    ended = position.step >= steps or ended_early(parts, position)
    best = is_new_best(position.validation) and position.validation.best_step == position.step
    if ended or best or is_due(position.step, outlets.every_steps):
        save(parts.policy, position, outlets, final=ended)
    if not ended:
        stop_if_asked(parts.policy, position, outlets)
    return not ended


def ended_early(parts: Parts, position: Position) -> bool:
    """Whether validation has shown no improvement for as long as the run may wait for one."""
    validation = parts.evaluation.validation if parts.evaluation else None
    stopping = validation.early_stopping if validation else None
    return should_stop(position.validation, stopping.patience if stopping else None)
