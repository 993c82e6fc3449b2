"""Supervised fine-tuning on one screen.

Place in the data's way: station 8, and the calls that lead to 9, 10 and 11. For each step: draw demonstrations, update
the policy towards its own turns in them. There are no rollouts and no rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter as now

from trainyard_api.algorithm import SFTConfig
from trainyard_trainer.checkpoints.saving import is_due, save, stop_here
from trainyard_trainer.models.codec import Codec
from trainyard_trainer.parts import Outlets, Parts
from trainyard_trainer.policy.batches import Row
from trainyard_trainer.policy.update import update_by_sft
from trainyard_trainer.reporting.metrics import sft_metrics
from trainyard_trainer.tasks.task import DemonstrationTurn
from trainyard_trainer.trajectory import Role


def fine_tune(config: SFTConfig, parts: Parts, outlets: Outlets, *, first_step: int = 0) -> None:
    """`config.steps` updates on demonstrations, the last ends with a checkpoint; the loss counts policy tokens only.

    Args:
        config: steps and batch size.
        parts: policy, codec and questions.
        outlets: where metrics, reports and checkpoints go.
        first_step: finished steps of the state in `parts.policy`.

    Raises:
        StoppedError: a stop was asked for; the state after the last finished step is committed.
        RefusedError: three updates in a row that weren't finite.
    """
    policy = parts.policy
    for step in range(first_step, config.steps):
        begun = now()
        rows = demonstration_rows(parts.questions.demonstrations(step, config.batch_size), parts.codec)
        outlets.board.phase("update")
        outcome = update_by_sft(policy, rows)
        tokens, trained = sum(len(row.token_ids) for row in rows), sum(sum(row.mask) for row in rows)
        seconds = {"update": now() - begun, "step": now() - begun}
        metrics = sft_metrics(
            step, policy.version, tokens=tokens, policy_tokens=trained, outcome=outcome, seconds=seconds
        )
        outlets.ledger.record_step([], metrics)
        outlets.board.step_done(step + 1, metrics)
        if is_due(step + 1, outlets.every_steps, config.steps):
            save(policy, step + 1, metrics, outlets)
        if outlets.stop.requested():
            stop_here(policy, step + 1, metrics, outlets)


def demonstration_rows(demonstrations: Sequence[Sequence[DemonstrationTurn]], codec: Codec) -> list[Row]:
    """Demonstrations as rows; each policy token weighs 1 / all policy tokens, so the loss is their mean."""
    tokenised = [_tokenise(turns, codec) for turns in demonstrations]
    whole = max(1, sum(sum(mask) for _, mask in tokenised))
    return [Row(token_ids, mask, (1.0,) * len(token_ids), 1.0 / whole) for token_ids, mask in tokenised]


def _tokenise(turns: Sequence[DemonstrationTurn], codec: Codec) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Turn by turn, as a rollout would put them together."""
    token_ids: list[int] = []
    mask: list[bool] = []
    for turn in turns:
        ids = codec.prompt(turn.text) if turn.role is Role.PROMPT else codec.continuation(turn.text)
        token_ids += ids
        mask += [turn.role is Role.POLICY] * len(ids)
    return tuple(token_ids), tuple(mask)
