"""Measures answers to validation and test queries, as named numbers and by query.

Place in the data's way: station 5, after scoring, on the way to the ledger, the status and the comparison. Pure. A
failed answer (the environment or a reward raised, or it was cancelled) says nothing about the policy. It is counted as
failed and nowhere else.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from trainyard_trainer.evaluation.significance import Outcome
from trainyard_trainer.trajectory import Role, Trajectory


def evaluation_values(answers: Sequence[Trajectory]) -> dict[str, float]:
    """Measures answers by name; a number that doesn't exist is absent.

    `success_rate` is the share of answers with the verdict success, `avg_reward` the mean of total rewards, `avg_steps`
    the mean number of policy turns, `tool_accuracy` the share of tool calls that succeeded (a call that couldn't be
    read didn't), `failed` the number of answers that count nowhere else.
    """
    measured = _measured(answers)
    values: dict[str, float] = {"answers": len(answers), "failed": len(answers) - len(measured)}
    if not measured:
        return values
    values["success_rate"] = statistics.fmean(bool(answer.success) for answer in measured)
    values["avg_steps"] = statistics.fmean(
        sum(turn.role is Role.POLICY for turn in answer.turns) for answer in measured
    )
    if rewards := [answer.total_reward for answer in measured if answer.total_reward is not None]:
        values["avg_reward"] = statistics.fmean(rewards)
    if calls := [call.ok for answer in measured for turn in answer.turns for call in turn.calls]:
        values["tool_accuracy"] = statistics.fmean(calls)
    return values


def outcomes(answers: Sequence[Trajectory]) -> list[Outcome]:
    """Gives results by query, in the order in which queries first occur; an answer's query is its question's text.

    A query all of whose answers failed has an outcome without successes: a comparison leaves it out.
    """
    by_query: dict[str, list[Trajectory]] = {answer.question: [] for answer in answers}
    for answer in _measured(answers):
        by_query[answer.question].append(answer)
    return [
        Outcome(query, tuple(int(bool(answer.success)) for answer in measured)) for query, measured in by_query.items()
    ]


def _measured(answers: Sequence[Trajectory]) -> list[Trajectory]:
    return [answer for answer in answers if answer.judged]
