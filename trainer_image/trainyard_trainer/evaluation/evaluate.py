"""Success on held-out questions.

Place in the data's way: station 5, before the first step and after the last. The same questions and the same random
streams both times, so the difference is the policy's; no stream is shared with training, and nothing is learned here.
"""

from __future__ import annotations

from time import perf_counter as now
from typing import Literal

from trainyard_trainer.outlets import StepMetrics
from trainyard_trainer.parts import Outlets, Parts
from trainyard_trainer.reporting.metrics import rollout_values
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.sampling.randomness import Stream
from trainyard_trainer.seams import RolloutPlan


def evaluate(parts: Parts, outlets: Outlets, finished: int, when: Literal["before", "after"], max_turns: int) -> None:
    """Ask every held-out question once, record and report the result; nothing where the run has no evaluation.

    Args:
        parts: policy, rollouts, questions and rewards.
        outlets: where the measurement goes.
        finished: finished steps.
        when: before training or after it.
        max_turns: turns of the policy after which an answer is cut off.

    Raises:
        RolloutInterruptedError: a stop was asked for.
        RefusedError: REWARD_FAILED; not one answer could be scored.
    """
    if parts.evaluation is None:
        return
    begun = now()
    outlets.board.phase("evaluation")
    plan = RolloutPlan(1, float(parts.evaluation.temperature), max_turns, Stream.EVALUATION_TOKENS)
    answers = score(list(parts.rollouts.rollout(parts.questions.held_out, plan)), parts.rewards)
    values = rollout_values(answers)
    values |= {"questions": len(answers), "overlap": parts.questions.overlap, "evaluation_seconds": now() - begun}
    outlets.ledger.record_evaluation(StepMetrics("evaluation", finished, parts.policy.version, values))
    if "success_rate" in values:  # absent where no answer got a verdict
        outlets.board.evaluated(len(answers), **{when: values["success_rate"]})
