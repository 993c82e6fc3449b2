"""Whether the expected outcomes of a run's questions can be met at all, and by what a policy can say.

Place in the data's way: station 4, beside `check_data`. Each outcome is said as a policy would say it, in ids, and put
before the task's own verdict: an outcome with a letter that the tokenizer lacks, with the text that ends a turn in it,
or of more tokens than a turn may have, would always be judged wrong, without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from trainyard_trainer.chat.renderer import Renderer
from trainyard_trainer.chat.text_encoder import UnwritableError
from trainyard_trainer.environment import PolicyTurn, Question
from trainyard_trainer.rollouts.guarded_environment import FailedEnvironmentError, GuardedEnvironment
from trainyard_trainer.tasks.asking import right_answer
from trainyard_trainer.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Unmeetable:
    """Says why nothing meets a question's expected outcome.

    `ambiguous` says that the task can't judge any answer to it, `too_long` that a turn ends before it is said.
    """

    question: Question
    why: str
    ambiguous: bool = False
    too_long: bool = False


def unmeetable(questions: Sequence[Question], task: Task, renderer: Renderer, max_turn_tokens: int) -> list[Unmeetable]:
    """Finds the questions whose outcome can't be met, among those that the task knows an answer to.

    Args:
        questions: of a file.
        task: knows right answers, and judges.
        renderer: what is said, as ids.
        max_turn_tokens: most tokens of a turn.
    """
    with asyncio.Runner() as runner:
        found = (runner.run(_judge(question, task, renderer, max_turn_tokens)) for question in questions)
        return [one for one in found if one is not None]


async def _judge(question: Question, task: Task, renderer: Renderer, max_turn_tokens: int) -> Unmeetable | None:
    try:
        answer = right_answer(task, question)
        ids = () if answer is None else renderer.answer(answer)
    except UnwritableError as error:
        return Unmeetable(question, f"it can't be written: {error}")
    except ValueError as error:
        return Unmeetable(question, str(error), ambiguous=True)
    if answer is None:
        return None
    end = next((place for place, number in enumerate(ids) if number in renderer.stop_ids), len(ids) - 1) + 1
    said = renderer.turn(ids[:end])
    if await _is_wrong(question, task, said):
        return Unmeetable(question, _why(answer, said, cut=end < len(ids)))
    if end > max_turn_tokens:
        why = f"it has {end} tokens with its end, and a turn at most {max_turn_tokens}"
        return Unmeetable(question, why, too_long=True)
    return None


async def _is_wrong(question: Question, task: Task, said: PolicyTurn) -> bool:
    """Says whether the task judges a turn as wrong; an environment that fails is reported elsewhere."""
    try:
        environment = GuardedEnvironment(task)
        await environment.reset(question)
        observation = await environment.step(said)
    except FailedEnvironmentError:
        return False
    return not (observation.done and observation.success)


def _why(answer: str, said: PolicyTurn, *, cut: bool) -> str:
    if cut:
        return f"a text that ends a turn stands in it, so that {said.text!r} is all that is ever said of it"
    written = said.text if said.written is None else said.written
    if lost := "".join(sorted({char for char in answer if char not in written and not char.isspace()})):
        return f"the tokenizer can't write {lost!r}"
    if said.text != written and answer not in said.text:
        return f"of {written!r} all but {said.text!r} is taken for reasoning"
    return f"the task takes it for wrong when it is said, as {said.text!r}"
