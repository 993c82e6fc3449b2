"""Rollouts: every token has its author, and what goes wrong in one conversation stays there."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest

from tests.trainyard_trainer import policies
from tests.trainyard_trainer.stopping import Stop
from tests.waiting import GUARD_SECONDS
from trainyard_trainer.chat.plain_text import PlainText
from trainyard_trainer.chat.renderer import make_renderer
from trainyard_trainer.environment import Observation, PolicyTurn, Prompt, Question
from trainyard_trainer.errors import DroppedError
from trainyard_trainer.randomness import Stream, StreamKey
from trainyard_trainer.rollouts.in_process import SynchronousRollouts
from trainyard_trainer.rollouts.source import RolloutPlan
from trainyard_trainer.sampling.engine import Generation
from trainyard_trainer.sampling.in_process.reading import CachedModel
from trainyard_trainer.sampling.in_process.sampler import InProcessEngine
from trainyard_trainer.sampling.in_process.slot_decoder import SlotDecoder
from trainyard_trainer.tasks.calculator import CalculatorEnvironment, CalculatorTask
from trainyard_trainer.trajectory import CallOutcome, FinishReason, Role, Sampling, Trajectory, TrajectoryStatus

QUESTIONS = (Question("Q47*93;", "04371"), Question("Q10-99;", "-0089"), Question("Q10+10;", "00020"))
PROMPTS = [Prompt(4, index, question) for index, question in enumerate(QUESTIONS)]
PLAN = RolloutPlan(group_size=2, temperature=1.0, max_turns=20, stream=Stream.TRAINING_TOKENS)
LOADED = policies.loaded()
CODEC = PlainText(LOADED.vocabulary, CalculatorTask.stop_texts)
STOP_IDS = (*CODEC.stop_ids, *LOADED.stop_ids)


class Scripted:
    """An engine that says given turns, to test what others make of them."""

    def __init__(self, script: dict[str, list[str]]) -> None:
        self._script = script
        self.read: dict[int, list[tuple[int, ...]]] = {}
        self.said: dict[int, list[tuple[int, ...]]] = {}
        self.samplings: list[Sampling] = []
        self.open = 0

    def open_session(self) -> list[str]:
        self.open += 1
        return []

    def close_session(self, _: Any) -> None:
        self.open -= 1

    async def generate(self, session: Any, prompt_ids: Sequence[int], sampling: Sampling, key: StreamKey) -> Generation:
        self.read.setdefault(key.prompt, []).append(tuple(prompt_ids))
        self.samplings.append(sampling)
        if not session:
            session.extend(self._script[CODEC.text(prompt_ids)])
        text = session.pop(0)
        ids = CODEC.continuation(text)[: sampling.max_new_tokens]
        self.said.setdefault(key.prompt, []).append(ids)
        stopped = len(ids) == len(text) and text[-1:] in (";", "$")
        reason = FinishReason.STOP if stopped else FinishReason.LENGTH
        return Generation(ids, (-0.5,) * len(ids), reason, (7,) * len(ids))


def source(engine: Any, task: Any = None, stop: Stop | None = None, **options: Any) -> SynchronousRollouts:
    """Rollouts of the calculator task, or another."""
    chosen = task or CalculatorTask({})
    return SynchronousRollouts(
        engine=engine,
        task=chosen,
        task_name="calculator",
        renderer=make_renderer(LOADED.vocabulary, chosen),
        run="run-1",
        seed=0,
        stop=stop or Stop(),
        **options,
    )


def play(
    script: list[list[str]], task: Any = None, max_turns: int = 20, **options: Any
) -> tuple[list[Trajectory], Scripted]:
    """One trajectory per question, following the script."""
    engine = Scripted({question.text: turns for question, turns in zip(QUESTIONS, script, strict=True)})
    found = source(engine, task, **options).rollout(PROMPTS, RolloutPlan(1, 1.0, max_turns, Stream.TRAINING_TOKENS))
    ended = sorted(found, key=lambda trajectory: trajectory.id)
    assert engine.open == 0, "a conversation is left open"
    return ended, engine


def engine_of(stop: Stop | None = None) -> InProcessEngine:
    """The real engine, on a random policy."""
    policy = policies.policy(model=LOADED)
    return InProcessEngine(policy, stop or Stop(), SlotDecoder(CachedModel(policy)))


def test_only_sampled_tokens_are_masked_in_and_ids_are_those_that_were_sampled() -> None:
    """Prompt and tool tokens carry no log-probability; the segment's policy tokens are the engine's, in order."""
    (called, guessed, bad), engine = play([["C47*93;", "A04371$"], ["A00001$"], ["Q;"]])
    for number, trajectory in enumerate((called, guessed, bad)):
        (segment,) = trajectory.segments
        masked = tuple(i for i, sampled in zip(segment.token_ids, segment.mask, strict=True) if sampled)
        assert masked == sum(engine.said[number], ())
        assert [math.isnan(logprob) for logprob in segment.logprobs] == [not sampled for sampled in segment.mask]
        assert set(segment.policy_versions) == {7}
        for turn in trajectory.turns:
            assert set(segment.mask[turn.start : turn.end]) == {turn.role is Role.POLICY}
            assert CODEC.text(segment.token_ids[turn.start : turn.end]) == turn.text
    assert CODEC.text(called.segments[0].token_ids) == "Q47*93;C47*93;R04371;A04371$"
    assert engine.read[0] == [CODEC.prompt("Q47*93;"), CODEC.continuation("R04371;")]


def test_turns_tell_the_story_for_people() -> None:
    """Roles, call, result, answer and verdict; a bad turn gives none."""
    (called, guessed, bad), _ = play([["C47*93;", "A04371$"], ["A00001$"], ["Q;"]])
    assert [turn.role for turn in called.turns] == [Role.PROMPT, Role.POLICY, Role.TOOL, Role.POLICY]
    assert called.turns[1].calls == (CallOutcome("47*93", "04371", ok=True),)
    assert called.turns[2].tool_result == "04371"
    assert called.turns[1].sampling == Sampling(1.0, 8, STOP_IDS)
    assert [(t.answer, t.success, t.status) for t in (called, guessed, bad)] == [
        ("04371", True, TrajectoryStatus.OK),
        ("00001", False, TrajectoryStatus.OK),
        (None, False, TrajectoryStatus.OK),
    ]
    assert (called.group, guessed.group, called.id.step) == ("4/0", "4/1", 4)


def test_limits_cut_off_and_say_which() -> None:
    """A turn without an end, and a conversation of too many turns, are truncated and unsuccessful."""
    (endless, called, _), _ = play([["A0437100"], ["C10-99;", "A-0089$"], ["A00020$"]], max_turns=1)
    assert (endless.status, endless.truncated_reason) == (TrajectoryStatus.TRUNCATED, "max_turn_tokens")
    assert (called.status, called.truncated_reason) == (TrajectoryStatus.TRUNCATED, "max_turns")
    assert (endless.success, called.success) == (False, False)


def test_no_conversation_outgrows_the_models_context() -> None:
    """A turn gets no more tokens than fit, a result that doesn't fit isn't heard; both say why they ended."""
    script = [["C47*93;", "A04371$"], ["A-0089$"], ["A0002000"]]
    for limit, expected in {
        7: [7, 7, 7],
        10: [10, 10, 10],
        20: [14, 14, 15],
        27: [27, 14, 15],
        28: [28, 14, 15],
    }.items():
        found, _ = play(script, context_length=limit)
        assert [len(one.segments[0].token_ids) for one in found] == expected
        cut = [one.truncated_reason == "context_length" for one in found]
        assert cut == [limit < 28, limit < 14, limit < 15]


def test_the_plan_says_how_tokens_are_drawn() -> None:
    """Temperature, filters, and a limit instead of the task's."""
    engine = Scripted({question.text: ["A00000$"] for question in QUESTIONS})
    plan = RolloutPlan(1, 0.6, 20, Stream.EVALUATION_TOKENS, max_new_tokens=3, top_k=5, top_p=0.9)
    list(source(engine).rollout(PROMPTS, plan))
    assert set(engine.samplings) == {Sampling(0.6, 3, STOP_IDS, 5, 0.9)}


class Odd(CalculatorTask):
    """Its environments do something else when the policy calls its tool."""

    def __init__(self, at_step: Any, at_reset: Any = None) -> None:
        super().__init__({})
        self._at_step, self._at_reset = at_step, at_reset

    def environment(self) -> CalculatorEnvironment:
        at_step, at_reset = self._at_step, self._at_reset

        class Strange(CalculatorEnvironment):
            async def reset(self, question: Question) -> Any:
                if at_reset is not None and "10+10" in question.text:
                    return at_reset()
                return await super().reset(question)

            async def step(self, turn: PolicyTurn) -> Observation:
                if not turn.text.startswith("C"):
                    return await super().step(turn)
                found = at_step()
                return await found if asyncio.iscoroutine(found) else found

        return Strange()


def throw(error: BaseException) -> Any:
    """A function that raises this."""

    def raises() -> None:
        raise error

    return raises


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (throw(ZeroDivisionError("in the tool")), "ZeroDivisionError: in the tool"),
        (throw(SystemExit(0)), "SystemExit"),
        (throw(asyncio.CancelledError("a tool's own")), "CancelledError"),
        (throw(TimeoutError("a tool's own")), "TimeoutError: a tool's own"),
        (lambda: asyncio.sleep(GUARD_SECONDS), "took longer than 0.05 seconds"),
        (lambda: None, "step returned NoneType, not an Observation"),
        (lambda: Observation(done=False, reply=7), "step said int"),  # type: ignore[arg-type]
        (lambda: Observation(done=False, reply=()), "step said tuple"),
        (lambda: Observation(done=False, reply=""), "said nothing"),
        (lambda: Observation(done=True, answer=4371), "answer"),  # type: ignore[arg-type]
        (lambda: Observation(done=True, success="yes"), "success"),  # type: ignore[arg-type]
        (lambda: Observation(done=True, calls=(True,)), "CallOutcomes"),  # type: ignore[arg-type]
        (lambda: Observation(done=True, calls=(CallOutcome("f", 7, True),)), "CallOutcomes"),  # type: ignore[arg-type]
    ],
    ids=[
        *("raises", "exits", "cancels", "times out", "hangs", "none", "no text", "empty", "silent", "answer"),
        *("verdict", "call", "result"),
    ],
)
def test_an_environment_that_fails_does_so_alone(does: Any, says: str) -> None:
    """Whatever it raises, however long it takes and whatever it answers; a failed trajectory has no verdict."""
    # The others can't be late: they answer without giving control back, and only who gives it back is timed.
    (failed, fine, other), _ = play([["C47*93;"], ["A-0089$"], ["A00020$"]], task=Odd(does), step_seconds=0.05)
    assert (failed.status, failed.truncated_reason, failed.success) == (TrajectoryStatus.FAILED_ENVIRONMENT, None, None)
    assert says in str(failed.error)
    assert failed.policy_tokens == 7
    assert fine.success
    assert other.success


def test_an_error_names_the_line_of_the_users_file() -> None:
    """The innermost line of the environment's own file."""
    (failed, _, _), _ = play([["C47*93;"], ["A-0089$"], ["A00020$"]], task=Odd(throw(KeyError("x"))))
    assert f"{__file__}:" in str(failed.error)


@pytest.mark.parametrize(
    ("does", "says"),
    [(throw(OSError("no tool")), "OSError: no tool"), (lambda: 7, "reset said int")],
    ids=["raises", "int"],
)
def test_a_conversation_that_can_not_begin_has_no_tokens(does: Any, says: str) -> None:
    """The others go on."""
    (fine, _, never), _ = play([["A04371$"], ["A-0089$"], []], task=Odd(None, does))
    assert (never.status, never.segments, never.turns) == (TrajectoryStatus.FAILED_ENVIRONMENT, (), ())
    assert says in str(never.error)
    assert fine.success


def test_every_prompt_gets_its_group_and_repeats_exactly() -> None:
    """Group size many samples per prompt, all different streams; a second rollout gives the same ids."""
    engine = engine_of()
    first, second = (sorted(source(engine).rollout(PROMPTS, PLAN), key=lambda t: t.id) for _ in range(2))
    assert [(t.id.prompt, t.id.sample) for t in first] == [(p, s) for p in range(3) for s in range(2)]
    assert [t.segments[0].token_ids for t in first] == [t.segments[0].token_ids for t in second]
    assert len({t.segments[0].token_ids for t in first}) == 6


class Slow(CalculatorTask):
    """Its environments take many minutes to begin."""

    def environment(self) -> CalculatorEnvironment:
        class Thinking(CalculatorEnvironment):
            async def reset(self, question: Question) -> str:
                await asyncio.sleep(GUARD_SECONDS)
                return await super().reset(question)

        return Thinking()


@pytest.mark.parametrize("task", [CalculatorTask({}), Slow({})], ids=["sampling", "thinking"])
def test_a_stop_interrupts_a_rollout(task: CalculatorTask) -> None:
    """Between decode rounds, or while environments take their time; not at its end."""
    stop = Stop(lambda: True)
    with pytest.raises(DroppedError):
        list(source(engine_of(stop), task, stop, step_seconds=GUARD_SECONDS).rollout(PROMPTS, PLAN))


def test_an_engine_that_breaks_ends_the_rollout() -> None:
    """It isn't a conversation's fault, so none is blamed."""

    class Broken(Scripted):
        async def generate(self, *_: Any) -> Generation:
            raise MemoryError("no memory")

    with pytest.raises(MemoryError, match="no memory"):
        list(source(Broken({})).rollout(PROMPTS, PLAN))


def test_a_rollout_that_nobody_finishes_reading_leaves_nothing_open() -> None:
    """The caller takes one trajectory and goes; every conversation is closed."""
    engine = Scripted({question.text: ["A00000$"] for question in QUESTIONS})
    found = source(engine).rollout(PROMPTS, PLAN)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert engine.open == 0
