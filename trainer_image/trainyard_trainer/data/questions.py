"""Which questions are asked when: training questions by step, and the held-out ones that are never trained on.

Place in the data's way: station 5. A question is held out by a hash of its text, so both kinds are disjoint whatever
the seed, the task and the number of steps; the run checks that all the same. Nothing is stored: a step's questions
follow from the seed and the step's number, so the stream's position is the number of finished steps.
"""

from __future__ import annotations

import hashlib

from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.sampling.randomness import Stream, StreamKey, generator
from trainyard_trainer.seams import Prompt, Question
from trainyard_trainer.tasks.task import DemonstrationTurn, Task

HELD_OUT_SHARE = 0.1
MAX_DRAWS = 10_000
"""Draws for one question after which the task is taken to have no more of its kind."""


def is_held_out(text: str) -> bool:
    """Whether the question with this text is kept for evaluation: a tenth of all questions, the same in every run."""
    first = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    return first < HELD_OUT_SHARE * 2**64


class Questions:
    """The questions of one run.

    Args:
        task: asks them.
        seed: the run's.
        held_out_count: how many questions an evaluation asks; 0 without one.

    Raises:
        RefusedError: INVALID_MANIFEST; the task doesn't have that many held-out questions.
    """

    def __init__(self, task: Task, seed: int, held_out_count: int) -> None:
        self._task = task
        self._seed = seed
        self.held_out = self._draw_held_out(held_out_count)
        self._held_out_texts = {prompt.question.text for prompt in self.held_out}
        self.overlap = 0
        """Training questions so far that are held out; a run doesn't go on after the first."""

    def training(self, step: int, count: int) -> list[Prompt]:
        """The questions of one step, drawn anew for each; one may occur twice.

        Raises:
            RefusedError: one of them is held out, so success on held-out questions would mean nothing.
        """
        prompts = []
        for index in range(count):
            key = StreamKey(self._seed, Stream.TRAINING_QUESTIONS, step, index)
            prompts.append(Prompt(step, index, self._draw(key)))
        self.refuse_overlap(prompts)
        return prompts

    def demonstrations(self, step: int, count: int) -> list[tuple[DemonstrationTurn, ...]]:
        """The demonstrations of one step of supervised fine-tuning, about questions that aren't held out."""
        prompts = self.training(step, count)
        return [
            self._task.demonstration(
                prompt.question, generator(StreamKey(self._seed, Stream.DEMONSTRATIONS, step, prompt.index))
            )
            for prompt in prompts
        ]

    def refuse_overlap(self, prompts: list[Prompt]) -> None:
        """Raise RefusedError if one of these training questions is asked in the evaluation too."""
        both = [prompt.question.text for prompt in prompts if prompt.question.text in self._held_out_texts]
        self.overlap += len(both)
        if both:
            raise RefusedError(
                TerminationReason.INVALID_MANIFEST,
                "no question of the evaluation may be trained on",
                field_path="spec.task.name",
                value=both[0],
            )

    def _draw_held_out(self, count: int) -> list[Prompt]:
        """Distinct held-out questions."""
        found: dict[str, Question] = {}
        draws = generator(StreamKey(self._seed, Stream.HELD_OUT_QUESTIONS))
        for _ in range(MAX_DRAWS + 100 * count):
            if len(found) == count:
                break
            question = self._task.question(draws)
            if is_held_out(question.text):
                found.setdefault(question.text, question)
        else:
            raise RefusedError(
                TerminationReason.INVALID_MANIFEST,
                f"the task has only {len(found)} held-out questions, a tenth of all",
                field_path="spec.evaluation.questions",
                value=str(count),
            )
        return [Prompt(0, index, question) for index, question in enumerate(found.values())]

    def _draw(self, key: StreamKey) -> Question:
        draws = generator(key)
        for _ in range(MAX_DRAWS):
            question = self._task.question(draws)
            if not is_held_out(question.text):
                return question
        raise RefusedError(
            TerminationReason.INVALID_OPTION,
            "leaves no questions to train on besides those held out",
            field_path="spec.task.options",
        )
