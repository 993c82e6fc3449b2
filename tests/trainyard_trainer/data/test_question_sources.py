"""A step's questions follow from the seed and its number, whether a task draws them or a file holds them."""

from __future__ import annotations

from collections import Counter

import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.data_report import data_report
from trainyard_trainer.data.jsonl import QuestionFile
from trainyard_trainer.data.question_sources import DrawnQuestions, FileQuestions
from trainyard_trainer.data.splits import Split, split_of
from trainyard_trainer.environment import Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.calculator import CalculatorTask

TASK = CalculatorTask({})


def file(count: int, word: str = "question") -> QuestionFile:
    """`count` different questions."""
    return QuestionFile(tuple(Question(f"{word} {number}", str(number)) for number in range(count)), {})


def test_a_drawn_steps_questions_depend_on_seed_and_step_alone() -> None:
    """Drawing step 7 first, or again, gives the same questions: the stream can be entered anywhere."""
    source = DrawnQuestions(TASK, 3)
    whole = [source.training(step, 16) for step in range(9)]
    assert DrawnQuestions(TASK, 3).training(7, 16) == whole[7]
    assert whole[7] != whole[8]
    assert DrawnQuestions(TASK, 4).training(7, 16) != whole[7]
    assert source.training(7, 4) == whole[7][:4]


def test_drawn_questions_belong_to_the_set_that_asks_them() -> None:
    """By the hash of their text, whatever the seed."""
    for seed in (0, 1):
        source = DrawnQuestions(TASK, seed)
        assert {split_of(question.text) for question in source.training(0, 200)} == {Split.TRAIN}
        for split in (Split.VALIDATION, Split.TEST):
            assert {split_of(question.text) for question in source.measured(split, 100)} == {split}


def test_a_task_without_training_questions_is_refused() -> None:
    """All it ever asks is a test question."""

    class OneQuestion(CalculatorTask):
        def question(self, random: object) -> Question:  # noqa: ARG002 (the signature of tasks)
            return held_out

    held_out = DrawnQuestions(TASK, 0).measured(Split.TEST, 1)[0]
    with pytest.raises(RefusedError) as refusal:
        DrawnQuestions(OneQuestion({}), 0).training(0, 1)
    assert (refusal.value.reason, refusal.value.field_path) == (TerminationReason.INVALID_OPTION, "spec.task.options")


def test_every_pass_over_a_file_asks_each_query_once() -> None:
    """Three passes of 40 queries in steps of 16, which don't divide 40; each pass has an order of its own."""
    source = FileQuestions({split: file(40 if split is Split.TRAIN else 5, split) for split in Split}, 0)
    asked = [question for step in range(9) for question in source.training(step, 16)]
    passes = [asked[first : first + 40] for first in (0, 40, 80)]
    assert all(Counter(one) == Counter(file(40, "train").questions) for one in passes)
    assert passes[0] != passes[1] != passes[2] != passes[0]


def test_a_files_stream_can_be_entered_anywhere() -> None:
    """Step 5 first is step 5 after 0 to 4; another seed has another order."""
    files = {Split.TRAIN: file(200)}
    source = FileQuestions(files, 1)
    whole = [source.training(step, 64) for step in range(7)]
    assert FileQuestions(files, 1).training(5, 64) == whole[5]
    assert FileQuestions(files, 2).training(5, 64) != whole[5]


def test_one_file_is_split_by_hash() -> None:
    """All queries are in some set, each in the one that its text says."""
    source = FileQuestions({Split.TRAIN: file(2000)}, 0)
    sets = {split: source.question_set(split, ()).questions for split in Split}
    assert sum(map(len, sets.values())) == 2000
    assert all(split_of(question.text) is split for split, members in sets.items() for question in members)
    assert {source.question_set(split, ()).field_path for split in Split} == {"spec.task.data.train"}


def test_ones_own_sets_are_taken_as_they_are() -> None:
    """No hash moves a query, and each set has its field."""
    files = {split: file(30, split) for split in Split}
    source = FileQuestions(files, 0)
    for split in Split:
        one = source.question_set(split, ())
        assert (one.questions, one.field_path) == (files[split].questions, f"spec.task.data.{split}")


def test_a_measurement_asks_each_query_once_and_no_more_than_there_are() -> None:
    """Of more than are asked for the choice doesn't depend on the seed or the file's order, and grows with the data."""
    questions = file(100, "test").questions
    files = {Split.TRAIN: file(10), Split.VALIDATION: file(3, "v"), Split.TEST: QuestionFile(questions * 2, {})}
    assert FileQuestions(files, 0).measured(Split.TEST, 512) == questions
    twenty = FileQuestions(files, 0).measured(Split.TEST, 20)
    files[Split.TEST] = QuestionFile(questions[::-1], {})
    assert FileQuestions(files, 7).measured(Split.TEST, 20) == twenty
    files[Split.TEST] = QuestionFile((*questions, *file(100, "new").questions), {})
    grown = FileQuestions(files, 0).measured(Split.TEST, 20)
    assert {question for question in grown if question in questions} <= set(twenty)


def test_the_report_hears_of_members_that_nobody_reads() -> None:
    """With the field of the file that has them."""
    source = FileQuestions({Split.TRAIN: QuestionFile(file(500).questions, {"difficulty": 500})}, 0)
    report = data_report([source.question_set(Split.TRAIN, ())], None)
    assert any("spec.task.data.train: members that nobody reads: 'difficulty' (500)" in line for line in report.lines())
