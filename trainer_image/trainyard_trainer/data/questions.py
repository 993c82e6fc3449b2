"""Which questions are asked when: training questions by step, and those of measurements, which are never trained on.

Place in the data's way: station 5. The sets are disjoint by a hash of the text or by the user's own split; the run
checks that all the same, whatever the seed, the task and the number of steps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from trainyard_api.evaluation import Evaluation
from trainyard_api.termination import TerminationReason
from trainyard_trainer.answers import canonical
from trainyard_trainer.data.data_report import QuestionSet
from trainyard_trainer.data.question_sources import MEASURED_FIELDS, QuestionSource
from trainyard_trainer.data.splits import Split
from trainyard_trainer.environment import Prompt, Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.randomness import Stream, StreamKey, generator
from trainyard_trainer.tasks.asking import show
from trainyard_trainer.tasks.task import DemonstrationTurn, Task


class Questions:
    """Gives the questions of one run.

    Attributes:
        test: prompts of the measurement before and after; empty without one.
        validation: prompts of the measurements in between; empty without any.
        short: what a person should know of measurements that ask fewer questions than the manifest does.
        overlap: training questions so far that a measurement asks too; a run doesn't go on after the first.

    Args:
        source: has them.
        task: shows how a question is answered.
        seed: the run's.
        evaluation: how many questions the measurements ask; None without any.

    Raises:
        RefusedError: INVALID_MANIFEST; there aren't that many.
    """

    def __init__(self, source: QuestionSource, task: Task, seed: int, evaluation: Evaluation | None) -> None:
        self._source = source
        self._task = task
        self._seed = seed
        validation = evaluation.validation if evaluation else None
        self._asked: dict[Split, tuple[Prompt, ...]] = {}
        if validation:
            self._asked[Split.VALIDATION] = _prompts(source.measured(Split.VALIDATION, validation.questions))
        if evaluation:
            self._asked[Split.TEST] = _prompts(source.measured(Split.TEST, evaluation.questions))
        self.validation = self._asked.get(Split.VALIDATION, ())
        self.test = self._asked.get(Split.TEST, ())
        wanted = {Split.TEST: evaluation.questions if evaluation else 0}
        wanted[Split.VALIDATION] = validation.questions if validation else 0
        self.short = tuple(
            f"{MEASURED_FIELDS[split]} asks for {wanted[split]} {split} questions; there are {len(asked)}"
            for split, asked in self._asked.items()
            if len(asked) < wanted[split]
        )
        self.overlap = 0
        self._measured = {canonical(prompt.question.text) for prompt in (*self.test, *self.validation)}

    @property
    def digest(self) -> str:
        """Hashes all questions and answers with SHA-256, in hexadecimal; for a task that draws them, a sample."""
        sets = self.question_sets(training=True)
        listed = [[one.split, [[question.text, question.expected] for question in one.questions]] for one in sets]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    def training(self, step: int, count: int) -> list[Prompt]:
        """Returns the questions of one step.

        Raises:
            RefusedError: a measurement asks one of them too, so success on it would mean nothing.
        """
        questions = self._source.training(step, count)
        prompts = [Prompt(step, index, question) for index, question in enumerate(questions)]
        self.refuse_overlap(prompts)
        return prompts

    def demonstrations(self, step: int, count: int) -> list[tuple[DemonstrationTurn, ...]]:
        """Returns one step's demonstrations for supervised fine-tuning, about training questions."""
        return [self.demonstration(prompt) for prompt in self.training(step, count)]

    def demonstration(self, prompt: Prompt) -> tuple[DemonstrationTurn, ...]:
        """Asks the task how a question is answered; its random numbers are keyed by the question's place in the run."""
        key = StreamKey(self._seed, Stream.DEMONSTRATIONS, prompt.step, prompt.index)
        return show(self._task, prompt.question, generator(key))

    def question_sets(self, *, training: bool) -> list[QuestionSet]:
        """Lists the sets that the run asks, for the data report; the training set only where it trains."""
        sets = [self._source.question_set(Split.TRAIN, ())] if training else []
        # One that was asked for and has no question is judged too.
        for split, prompts in self._asked.items():
            sets.append(self._source.question_set(split, [prompt.question for prompt in prompts]))
        return sets

    def refuse_overlap(self, prompts: Iterable[Prompt]) -> None:
        """Raises RefusedError if one of these training questions is asked in a measurement too."""
        both = [prompt.question.text for prompt in prompts if canonical(prompt.question.text) in self._measured]
        self.overlap += len(both)
        if both:
            raise RefusedError(
                TerminationReason.INVALID_MANIFEST,
                "no question of the evaluation may be trained on",
                field_path="spec.task.name",
                value=both[0],
            )


def _prompts(questions: Iterable[Question]) -> tuple[Prompt, ...]:
    """Makes prompts of step 0, so that every measurement draws the same random numbers."""
    return tuple(Prompt(0, index, question) for index, question in enumerate(questions))
