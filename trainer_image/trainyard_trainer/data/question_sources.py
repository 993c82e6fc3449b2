"""Where questions come from: a task that draws them, or files.

Place in the data's way: station 4. Both give the same three sets, split by a hash of the question's text or as the user
split them. Nothing is stored: which questions a step has follows from the seed and the step's number, so the stream's
position is the number of finished steps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from trainyard_api.termination import TerminationReason
from trainyard_trainer.answers import canonical
from trainyard_trainer.data.data_report import QuestionSet
from trainyard_trainer.data.jsonl import QuestionFile
from trainyard_trainer.data.splits import Split, distinct, split_of, split_questions
from trainyard_trainer.environment import Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.randomness import Stream, StreamKey, generator
from trainyard_trainer.tasks.asking import ask
from trainyard_trainer.tasks.task import Task

MAX_DRAWS = 10_000
"""Draws for one question after which the task is taken to have no more of its kind."""
SHOWN_TO_REPORT = 64
"""Training questions of a task that the data report looks at: it draws them without end."""
DATA_FIELD = "spec.task.data"
MEASURED_FIELDS = {Split.TEST: "spec.evaluation.questions", Split.VALIDATION: "spec.evaluation.validation.questions"}
"""The members of a manifest that say how many questions a measurement asks."""
_STREAMS = {Split.TEST: Stream.HELD_OUT_QUESTIONS, Split.VALIDATION: Stream.VALIDATION_QUESTIONS}


class QuestionSource(Protocol):
    """Gives three disjoint sets of questions."""

    def training(self, step: int, count: int) -> list[Question]:
        """Returns the questions of one step; every step of a run asks for the same `count`."""

    def measured(self, split: Split, count: int) -> tuple[Question, ...]:
        """Returns the distinct questions of a measurement, the same every time."""

    def question_set(self, split: Split, asked: Sequence[Question]) -> QuestionSet:
        """Returns a set for the data report; `asked` are the questions of its measurement."""


class DrawnQuestions:
    """Draws a task's own questions anew for each step, so one may occur twice; see `QuestionSource`.

    Args:
        task: draws them.
        seed: the run's.
    """

    def __init__(self, task: Task, seed: int) -> None:
        self._task = task
        self._seed = seed

    def training(self, step: int, count: int) -> list[Question]:
        """Draws each question again until it belongs to the training set.

        Raises:
            RefusedError: INVALID_OPTION; the task has none.
        """
        return [self._draw(StreamKey(self._seed, Stream.TRAINING_QUESTIONS, step, index)) for index in range(count)]

    def measured(self, split: Split, count: int) -> tuple[Question, ...]:
        """Draws the first `count` different questions of the set, from a stream of their own.

        Raises:
            RefusedError: INVALID_MANIFEST; the task doesn't have that many.
        """
        found: dict[str, Question] = {}
        draws = generator(StreamKey(self._seed, _STREAMS[split]))
        for _ in range(MAX_DRAWS + 100 * count):
            if len(found) == count:
                return tuple(found.values())
            question = ask(self._task, draws)
            if split_of(question.text) is split:
                found.setdefault(canonical(question.text), question)
        raise RefusedError(
            TerminationReason.INVALID_MANIFEST,
            f"the task has only {len(found)} {split} questions, a tenth of all",
            field_path=MEASURED_FIELDS[split],
            value=str(count),
        )

    def question_set(self, split: Split, asked: Sequence[Question]) -> QuestionSet:
        """Returns a sample of the training set, or what a measurement asks."""
        questions = self.training(0, SHOWN_TO_REPORT) if split is Split.TRAIN else asked
        return QuestionSet(split, questions, "spec.task.name", drawn=True)

    def _draw(self, key: StreamKey) -> Question:
        draws = generator(key)
        for _ in range(MAX_DRAWS):
            question = ask(self._task, draws)
            if split_of(question.text) is Split.TRAIN:
                return question
        raise RefusedError(
            TerminationReason.INVALID_OPTION,
            "leaves no questions to train on besides those held out",
            field_path="spec.task.options",
        )


class FileQuestions:
    """Gives the questions of files, in a seeded order for each pass over the training set; see `QuestionSource`.

    Args:
        files: the training file, and those of the other sets where the user split the data.
        seed: the run's.
    """

    def __init__(self, files: Mapping[Split, QuestionFile], seed: int) -> None:
        self._files = files
        self._seed = seed
        self._split_here = files.keys() == {Split.TRAIN}
        self._sets = (
            split_questions(files[Split.TRAIN].questions)
            if self._split_here
            else {split: file.questions for split, file in files.items()}
        )

    def training(self, step: int, count: int) -> list[Question]:
        """Returns the next questions after step times `count`; a pass over the set may end in the middle of a step."""
        train = self._sets[Split.TRAIN]
        orders: dict[int, Sequence[int]] = {}
        questions = []
        for number in range(step * count, (step + 1) * count):
            turn, place = divmod(number, len(train))
            if turn not in orders:
                key = StreamKey(self._seed, Stream.TRAINING_QUESTIONS, turn)
                orders[turn] = generator(key).permutation(len(train)).tolist()
            questions.append(train[orders[turn][place]])
        return questions

    def measured(self, split: Split, count: int) -> tuple[Question, ...]:
        """Returns at most `count` questions: those with the least hashes, the same in every run and stable as data
        grows.
        """
        questions = distinct(self._sets[split])
        if len(questions) <= count:
            return questions
        least = sorted(questions, key=lambda question: hashlib.sha256(canonical(question.text).encode()).digest())
        return tuple(least[:count])

    def question_set(self, split: Split, asked: Sequence[Question]) -> QuestionSet:  # noqa: ARG002 (a file is judged whole)
        """Returns the whole set."""
        origin = Split.TRAIN if self._split_here else split
        ignored = self._files[split].ignored if split in self._files else {}
        return QuestionSet(split, self._sets[split], f"{DATA_FIELD}.{origin}", ignored=ignored)
