"""Supervised fine-tuning on one screen.

Place in the data's way: station 8, and the calls that lead to 9, 10 and 11. For each step: draw demonstrations, update
the policy towards its own turns in them. There are no rollouts and no rewards.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainyard_api.algorithm import SFTConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.algorithms.metrics import as_decimals, sft_metrics
from trainyard_trainer.algorithms.update import update_by_sft
from trainyard_trainer.chat.renderer import Renderer
from trainyard_trainer.chat.text_encoder import UnwritableError
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.reporting.stopwatch import Stopwatch
from trainyard_trainer.tasks.task import DemonstrationTurn
from trainyard_trainer.training.between_steps import goes_on
from trainyard_trainer.training.components import Outlets, Parts
from trainyard_trainer.training.train_state import Position


def fine_tune(config: SFTConfig, parts: Parts, outlets: Outlets, position: Position) -> None:
    """Updates on demonstrations, from `position` on, which is moved along; the loss counts policy tokens only.

    Raises:
        RolloutInterruptedError: a stop was asked for during validation.
        StoppedError: one was asked for; the state after the last finished step is committed.
        RefusedError: three updates in a row weren't finite.
    """
    policy = parts.policy
    while goes_on(config.steps, parts, outlets, position):
        step, watch = position.step, Stopwatch()
        rows = demonstration_rows(parts.questions.demonstrations(step, config.batch_size), parts.renderer)
        outlets.board.updating(0, 1)
        outcome = update_by_sft(policy, rows)
        watch.lap("update")
        tokens, trained = sum(len(row.token_ids) for row in rows), sum(sum(row.mask) for row in rows)
        metrics = sft_metrics(
            step, policy.version, tokens=tokens, policy_tokens=trained, outcome=outcome, seconds=watch.seconds()
        )
        outlets.ledger.record_step([], metrics)
        position.finish_step(as_decimals(metrics))
        outlets.board.step_done(position.step, metrics)


def demonstration_rows(demonstrations: Sequence[Sequence[DemonstrationTurn]], renderer: Renderer) -> list[Row]:
    """Demonstrations as rows; each policy token weighs 1 / all policy tokens, so the loss is their mean.

    Raises:
        RefusedError: INVALID_DATA; a text in one has no ids. The data report says so first, of data from files.
    """
    tokenised = [_tokenised(turns, renderer) for turns in demonstrations]
    whole = max(1, sum(sum(mask) for _, mask in tokenised))
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
