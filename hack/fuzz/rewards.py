"""What rewards return and raise, in the real process beside one that is good; and built-in ones on odd texts."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import strategies as st

from hack.fuzz.kind import Kind, promise, refused, writable
from hack.fuzz.texts import texts
from trainyard_api.task import RewardTerm
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.rewards.reward import WeightedReward
from trainyard_trainer.rewards.scoring import score
from trainyard_trainer.training.registry import load_rewards
from trainyard_trainer.trajectory import CallOutcome, Role, Segment, Trajectory, TrajectoryId, TrajectoryStatus, Turn

BUILT_IN = ("exact", "graded", "positions", "tool_success", "turns", "verification")
MODULE = Path(__file__).with_name("reward_module.py")
WITNESS = "return 1.0"
VALUES = (
    *(
        "1",
        "0.5",
        "-1e300",
        "1e101",
        "True",
        "None",
        "''",
        "b'1'",
        "'1'",
        "float('nan')",
        "-float('inf')",
        "10**400",
        "1j",
    ),
    *(
        "np.float32(0.5)",
        "np.array(1.0)",
        "np.array([1.0])",
        "np.array(['x'])",
        "np.datetime64('2026-01-31')",
        "np.nan",
    ),
    *("np.ma.masked", "np.bool_(True)", "decimal.Decimal('0.5')", "decimal.Decimal('NaN')", "decimal.Decimal('sNaN')"),
    *(
        "fractions.Fraction(1, 3)",
        "object()",
        "int",
        "lambda: 1",
        "(one for one in [1])",
        "range(1)",
        "[]",
        "{}",
        "set()",
    ),
    *("[0.5]", "(0.5,)", "[None]", "[float('nan')]", "[[1]]", "[1, 2, 3]", "[1] * 10**6", "'x' * 10**6", "trajectory"),
    *(
        "asyncio.sleep(0)",
        "asyncio.CancelledError()",
        "Unspeakable()",
        "NotImplemented",
        "...",
        "Lies(1.0)",
        "Lies([1])",
    ),
    *(
        "Lies(None)",
        "Lies('\\ud83d')",
        "Lies(KeyboardInterrupt())",
        "Lies(RecursionError())",
        "[Lies(1)]",
        "Lies(Lies(1))",
    ),
)
RAISED = (
    *("ValueError", "KeyError", "OSError", "RecursionError", "MemoryError", "StopIteration", "StopAsyncIteration"),
    *("AssertionError", "TimeoutError", "asyncio.CancelledError", "KeyboardInterrupt", "GeneratorExit", "SystemExit"),
    *(
        "EOFError",
        "BrokenPipeError",
        "UnicodeError",
        "BaseException",
        "Exception",
        "Warning",
        "Unspeakable",
        "SyntaxError",
    ),
)


@dataclass(frozen=True)
class Scored:
    """What the rewards of a step do, each in a line of Python; the texts of trajectories for built-in ones."""

    lines: tuple[str, ...]
    answer: str
    expected: str


def _lines() -> st.SearchStrategy[str]:
    returned = st.sampled_from(VALUES).map(lambda value: f"return {value}")
    raised = st.tuples(st.sampled_from(RAISED), texts(2)).map(lambda pair: f"raise {pair[0]}({pair[1]!a})")
    grouped = st.tuples(st.sampled_from(RAISED), texts(1)).map(
        lambda pair: f"raise BaseExceptionGroup({ascii(pair[1]) or 'x'!r} + 'x', [{pair[0]}('one'), OSError('other')])"
    )
    odd = st.sampled_from(
        (
            *(
                "raise Unspeakable(KeyboardInterrupt())",
                "raise SystemExit(Lies(1))",
                "raise KeyboardInterrupt from OSError()",
            ),
            *(
                "import sys; sys.exit(3)",
                "return reward()",
                "return 1 / 0",
                "raise 1",
                "yield 1",
                "return eval('(' * 500)",
            ),
            *(
                "return (lambda: (yield))()",
                "return __import__('absent')",
            ),
        )
    )
    return returned | raised | grouped | odd


def _steps() -> st.SearchStrategy[Scored]:
    lines = st.lists(_lines(), min_size=1, max_size=5).map(tuple)
    return st.builds(Scored, lines, texts(), texts(3))


@functools.cache
def _rewards() -> tuple[tuple[WeightedReward, ...], tuple[WeightedReward, ...]]:
    """Loads the module's rewards, whose process stays warm, and the built-in ones."""
    mine = load_rewards([RewardTerm(name="runs"), RewardTerm(name="awaits")], MODULE)
    return mine, load_rewards([RewardTerm(name=name) for name in BUILT_IN])


def _trajectory(number: int, question: str, answer: str | None = "7", expected: str = "7") -> Trajectory:
    began = datetime(2026, 1, 31, tzinfo=UTC)
    call = CallOutcome(f"calculator({question})", answer or "error", ok=answer is not None)
    turns = (
        Turn(0, 0, 1, Role.PROMPT, question, began, 0.0),
        Turn(0, 1, 2, Role.POLICY, answer or "", began, 0.1, calls=(call,)),
    )
    return Trajectory(
        id=TrajectoryId("run-1", 0, number, 0),
        group=f"0/{number}",
        task="fuzz",
        question=question,
        expected=expected,
        status=TrajectoryStatus.OK,
        segments=(Segment((1, 2), (False, True), (math.nan, -0.5), (0, 0)),),
        turns=turns,
        started_at=began,
        duration_seconds=0.1,
        answer=answer,
        success=answer == expected,
    )


def check(step: Scored) -> None:
    """Scores a step: a good reward counts whatever the others do, and each of those has a number or a reason."""
    mine, built_in = _rewards()
    lines = (*step.lines, WITNESS)
    scored = score([_trajectory(number, line) for number, line in enumerate(lines)], mine)
    _hold(scored)
    promise(scored[-1].total_reward == 2.0, f"one reward's fault isn't another's; got {scored[-1].error}")
    try:
        _hold(score([_trajectory(number, line) for number, line in enumerate(step.lines)], mine, 0.0))
    except RefusedError as error:
        refused(error)
    odd = _trajectory(0, step.expected, step.answer, step.expected)
    scored = score([odd, _trajectory(1, step.answer, None, step.expected)], built_in)
    _hold(scored)
    promise(all(one.scored for one in scored), f"built-in rewards have a number for all; got {scored[0].error}")


def _hold(scored: Sequence[Trajectory]) -> None:
    for one in scored:
        if one.scored:
            promise(math.isfinite(one.total_reward or 0.0), f"a reward is finite; got {one.total_reward}")
        else:
            promise(one.status is TrajectoryStatus.FAILED_REWARD, f"a reward without a number fails; got {one.status}")
            promise(
                one.error is not None and one.error.startswith("reward "), f"an error names its reward; got {one.error}"
            )
            writable(one.error or "")


KIND = Kind("rewards", 600, _steps(), check)
