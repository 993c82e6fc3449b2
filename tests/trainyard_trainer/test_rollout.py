"""Rollouts: every token has its author, and what goes wrong in one conversation stays there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from tests.trainyard_trainer import small
from trainyard_trainer.policy.torch_policy import TorchPolicy
from trainyard_trainer.rollouts.rollout import SynchronousRollouts
from trainyard_trainer.sampling.randomness import Stream
from trainyard_trainer.seams import Generation, Observation, Prompt, Question, RolloutInterruptedError, RolloutPlan
from trainyard_trainer.tasks.calculator import CalculatorEnvironment, CalculatorTask
from trainyard_trainer.trajectory import FinishReason, Role, Trajectory, TrajectoryStatus

QUESTIONS = (Question("Q47*93;", "04371"), Question("Q10-99;", "-0089"), Question("Q10+10;", "00020"))
PROMPTS = [Prompt(4, index, question) for index, question in enumerate(QUESTIONS)]
PLAN = RolloutPlan(group_size=2, temperature=1.0, max_turns=20, stream=Stream.TRAINING_TOKENS)


class Scripted:
    """An engine that says given turns, to test what others make of them."""

    def __init__(self, policy: TorchPolicy, script: dict[str, list[str]]) -> None:
        self._codec = small.codec_of(policy)
        self._script = script
        self.read: dict[int, list[tuple[int, ...]]] = {}
        self.said: dict[int, list[tuple[int, ...]]] = {}

    def open_session(self) -> list[str]:
        return []

    def generate(self, requests: Sequence[Any], _: Any) -> list[Generation]:
        return [self._turn(request) for request in requests]

    def _turn(self, request: Any) -> Generation:
        number = request.key.prompt
        self.read.setdefault(number, []).append(request.token_ids)
        if not request.session:
            request.session.extend(self._script[self._codec.text(request.token_ids)])
        text = request.session.pop(0)
        ids = self._codec.continuation(text)
        self.said.setdefault(number, []).append(ids)
        stopped = text[-1:] in (";", "$")
        return Generation(ids, (-0.5,) * len(ids), FinishReason.STOP if stopped else FinishReason.LENGTH, 7)


def play(script: list[list[str]], task: Any = None, max_turns: int = 20) -> tuple[list[Trajectory], Scripted]:
    """One trajectory per question, following the script."""
    policy = small.policy()
    engine = Scripted(policy, {question.text: turns for question, turns in zip(QUESTIONS, script, strict=True)})
    source = SynchronousRollouts(
        engine=engine,
        task=task or CalculatorTask({}),
        task_name="calculator",
        codec=small.codec_of(policy),
        run="run-1",
        seed=0,
        version=lambda: 7,
        stop=small.Outside(),
    )
    found = source.rollout(PROMPTS, RolloutPlan(1, 1.0, max_turns, Stream.TRAINING_TOKENS))
    return sorted(found, key=lambda trajectory: trajectory.id), engine


def test_only_sampled_tokens_are_masked_in_and_ids_are_those_that_were_sampled() -> None:
    """Prompt and tool tokens carry no log-probability; the segment's policy tokens are the engine's, in order."""
    policy = small.policy()
    (called, guessed, bad), engine = play([["C47*93;", "A04371$"], ["A00001$"], ["Q;"]])
    codec = small.codec_of(policy)
    for number, trajectory in enumerate((called, guessed, bad)):
        (segment,) = trajectory.segments
        masked = tuple(i for i, sampled in zip(segment.token_ids, segment.mask, strict=True) if sampled)
        assert masked == sum(engine.said[number], ())
        assert [math.isnan(logprob) for logprob in segment.logprobs] == [not sampled for sampled in segment.mask]
        assert set(segment.policy_versions) == {7}
        for turn in trajectory.turns:
            assert set(segment.mask[turn.start : turn.end]) == {turn.role is Role.POLICY}
            assert codec.text(segment.token_ids[turn.start : turn.end]) == turn.text
    assert codec.text(called.segments[0].token_ids) == "Q47*93;C47*93;R04371;A04371$"
    assert engine.read[0] == [codec.prompt("Q47*93;"), codec.continuation("R04371;")]


def test_turns_tell_the_story_for_people() -> None:
    """Roles, call, result, answer and verdict; a bad turn gives none."""
    (called, guessed, bad), _ = play([["C47*93;", "A04371$"], ["A00001$"], ["Q;"]])
    assert [turn.role for turn in called.turns] == [Role.PROMPT, Role.POLICY, Role.TOOL, Role.POLICY]
    assert (called.turns[1].tool_call, called.turns[2].tool_result) == ("47*93", "04371")
    assert called.turns[1].sampling.max_new_tokens == 8
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


class Faulty(CalculatorTask):
    """Its environment can't be made ready for one question and breaks on a call."""

    def environment(self) -> CalculatorEnvironment:
        class Broken(CalculatorEnvironment):
            async def reset(self, question: Question) -> str:
                if "10+10" in question.text:
                    raise OSError("no tool")
                return await super().reset(question)

            async def step(self, text: str) -> Observation:
                if text.startswith("C"):
                    raise ZeroDivisionError("in the tool")
                return await super().step(text)

        return Broken()


def test_an_environment_that_raises_fails_its_own_trajectory() -> None:
    """Before the first turn or after one; the others go on, and a failed one has no verdict."""
    (broken, fine, never), _ = play([["C47*93;"], ["A-0089$"], []], task=Faulty({}))
    assert (broken.status, broken.success, broken.error) == (
        TrajectoryStatus.FAILED_ENVIRONMENT,
        None,
        "ZeroDivisionError: in the tool",
    )
    assert fine.success
    assert (never.status, never.error, never.segments) == (TrajectoryStatus.FAILED_ENVIRONMENT, "OSError: no tool", ())


@pytest.mark.parametrize(
    "answer", [None, Observation(done=False, text=7), SystemExit(0)], ids=["none", "no text", "exit"]
)
def test_an_environment_that_answers_nonsense_fails_its_own_trajectory(answer: Any) -> None:
    """What isn't an observation is the environment's fault, not a turn that was too long; the others go on."""

    class Strange(CalculatorTask):
        def environment(self) -> CalculatorEnvironment:
            class Odd(CalculatorEnvironment):
                async def step(self, text: str) -> Observation:
                    if not text.startswith("C"):
                        return await super().step(text)
                    if isinstance(answer, SystemExit):
                        raise answer
                    return answer

            return Odd()

    (failed, fine, _), _ = play([["C47*93;"], ["A-0089$"], ["A00020$"]], task=Strange({}))
    assert (failed.status, failed.truncated_reason, failed.success) == (TrajectoryStatus.FAILED_ENVIRONMENT, None, None)
    assert failed.error
    assert fine.success


def test_every_prompt_gets_its_group_and_repeats_exactly() -> None:
    """Group size many samples per prompt, all different streams; a second rollout gives the same ids."""
    policy = small.policy()
    first, second = (sorted(small.rollouts(policy).rollout(PROMPTS, PLAN), key=lambda t: t.id) for _ in range(2))
    assert [(t.id.prompt, t.id.sample) for t in first] == [(p, s) for p in range(3) for s in range(2)]
    assert [t.segments[0].token_ids for t in first] == [t.segments[0].token_ids for t in second]
    assert len({t.segments[0].token_ids for t in first}) == 6


def test_a_stop_interrupts_a_rollout() -> None:
    """Between decode rounds, not at its end."""
    with pytest.raises(RolloutInterruptedError):
        list(small.rollouts(small.policy(), small.Outside(stop_when=lambda _: True)).rollout(PROMPTS, PLAN))
