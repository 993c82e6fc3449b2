"""The data report: counts, doubts and refusals before training."""

from __future__ import annotations

from typing import Any

import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.data_report import QuestionSet, Refusal, data_report
from trainyard_trainer.data.splits import Split
from trainyard_trainer.environment import Question
from trainyard_trainer.errors import RefusedError


def some(split: Split, count: int, first: int = 0, **members: Any) -> QuestionSet:
    """A set of numbered questions, from a file of its own."""
    questions = tuple(Question(f"What is {number} + 1?", str(number + 1)) for number in range(first, first + count))
    return QuestionSet(split, questions, f"spec.task.data.{split}", **members)


SOUND = [some(Split.TRAIN, 400), some(Split.VALIDATION, 50, 400), some(Split.TEST, 50, 450)]


def refusal(*sets: QuestionSet, limit: int | None = None) -> RefusedError:
    """What the report raises."""
    with pytest.raises(RefusedError) as caught:
        data_report(sets, limit).refuse()
    assert caught.value.reason is TerminationReason.INVALID_DATA
    return caught.value


def test_sound_data_gives_counts_and_nothing_else() -> None:
    """A line per set; no warning, and it refuses nothing."""
    report = data_report(SOUND, None)
    report.refuse()
    assert report.warnings == report.refusals == ()
    assert report.lines() == [
        "train: 400 questions, 0 of them repeated",
        "validation: 50 questions, 0 of them repeated",
        "test: 50 questions, 0 of them repeated",
    ]


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2)])
def test_a_query_in_two_sets_is_refused(pair: tuple[int, int]) -> None:
    """Whichever two, and also where only blanks or the form of an accent differ."""
    sets = list(SOUND)
    first, second = pair
    marked = Question("Café?", "x")
    sets[first] = QuestionSet(sets[first].split, (*sets[first].questions, marked), sets[first].field_path)
    copy = Question(" Cafe\u0301? ", "x")
    sets[second] = QuestionSet(sets[second].split, (*sets[second].questions, copy), sets[second].field_path)
    error = refusal(*sets)
    assert error.field_path == sets[second].field_path
    assert f"no {sets[second].split} question may be a {sets[first].split} question too" in str(error)
    assert str(error).endswith("1 are; got 'Café?'")


def test_prompts_longer_than_the_model_reads_are_refused() -> None:
    """The first is named with its length, and how many there are; exactly the limit is allowed."""
    lengths = [10] * 47 + [512, 513, 600]
    sets = [SOUND[0], some(Split.TEST, 50, 450, lengths=lengths)]
    sets[0] = some(Split.TRAIN, 400, lengths=[5] * 400)
    error = refusal(*sets, limit=512)
    assert (error.field_path, error.value) == ("spec.task.data.test", "What is 498 + 1?")
    assert "no test prompt may have more than 512 tokens" in str(error)
    assert "2 have, the first 513" in str(error)
    report = data_report(sets, 600)
    report.refuse()
    assert report.lines()[1] == "test: 50 questions, 0 of them repeated; the longest prompt has 600 tokens"


def test_demonstrations_longer_than_the_model_reads_are_refused() -> None:
    """Prompt and answer together; exactly the limit is allowed, and a query that has none isn't counted."""
    shown = [None, 128, 129, *[20] * 397]
    sets = [some(Split.TRAIN, 400, lengths=[5] * 400, demonstrated=shown), SOUND[2]]
    (found,) = data_report(sets, None, max_tokens=128).refusals
    assert (found.field_path, found.value) == ("spec.task.data.train", "What is 2 + 1?")
    assert found.rule == (
        "no train demonstration may have more than 128 tokens, what the model reads; 1 have, the first 129"
    )
    assert data_report(sets, None, max_tokens=129).refusals == data_report(sets, None).refusals == ()


@pytest.mark.parametrize("split", list(Split))
def test_an_empty_set_is_refused(split: Split) -> None:
    """A run that needs it can't begin."""
    sets = [QuestionSet(one.split, (), one.field_path) if one.split is split else one for one in SOUND]
    error = refusal(*sets)
    assert error.field_path == f"spec.task.data.{split}"
    assert f"must leave at least one {split} question" in str(error)


def test_few_training_queries_are_doubted() -> None:
    """99 different ones are, 100 aren't; copies don't count, and a task draws without end."""
    warning = "99 training questions; below 100 a policy may learn them by heart"
    assert warning in data_report([some(Split.TRAIN, 99)], None).warnings
    assert data_report([some(Split.TRAIN, 100)], None).warnings == ()
    copied = some(Split.TRAIN, 99).questions * 2
    assert warning in data_report([QuestionSet(Split.TRAIN, copied, "spec.task.data.train")], None).warnings
    assert data_report([some(Split.TRAIN, 9, drawn=True)], None).warnings == ()


def test_few_test_queries_are_doubted() -> None:
    """Five can never be significant."""
    (warning,) = data_report([some(Split.TEST, 5)], None).warnings
    assert warning == "5 test questions; no difference on fewer than 6 can be significant"
    assert data_report([some(Split.TEST, 6)], None).warnings == ()


def test_copies_and_contradictions_are_doubted() -> None:
    """Repeated queries are counted; the first with two different outcomes is named."""
    more = (Question("What is 0 + 1? ", "1\n"), Question("What is 7 + 1?", "9"), Question("What is 0 + 1?", "1"))
    sets = [QuestionSet(Split.TRAIN, SOUND[0].questions + more, "spec.task.data.train")]
    report = data_report(sets, None)
    assert report.lines() == [
        "train: 403 questions, 3 of them repeated",
        "warning: 3 of the train questions repeat an earlier one, which is asked more often",
        "warning: 1 of the train questions have more than one expected outcome; the first is 'What is 7 + 1?'",
    ]
    test = data_report([QuestionSet(Split.TEST, SOUND[2].questions * 2, "spec.task.data.test")], None)
    assert test.warnings == ("50 of the test questions repeat an earlier one, which is asked once all the same",)


def test_members_that_nobody_reads_are_named() -> None:
    """By file, with counts: a misspelt name shows."""
    report = data_report([some(Split.TRAIN, 100, ignored={"source": 100, "expeced\noutcome": 1})], None)
    told = "spec.task.data.train: members that nobody reads: 'expeced\\noutcome' (1), 'source' (100)"
    assert report.warnings == (told,)


def test_several_refusals_are_all_in_the_report() -> None:
    """The error is the first and counts the others; what others refuse stands last."""
    template = Refusal("spec.model", "must have a prefix-stable chat template", "tools.jinja")
    report = data_report([QuestionSet(Split.TRAIN, (), "spec.task.data.train")], None, [template])
    with pytest.raises(RefusedError, match=r"more data helps \(1 more in the data report\); got '0 questions'"):
        report.refuse()
    assert report.lines()[-1] == "refused: spec.model: must have a prefix-stable chat template; got 'tools.jinja'"


def test_long_values_are_cut() -> None:
    """A query of a page doesn't fill the error."""
    question = Question("a" * 5000, "1")
    error = refusal(
        *(QuestionSet(split, (question,), f"spec.task.data.{split}") for split in (Split.TRAIN, Split.TEST))
    )
    assert error.value == "a" * 119 + "…"


def test_a_task_that_draws_is_described_as_such() -> None:
    """Its training queries can't be counted, its test queries can."""
    report = data_report([some(Split.TRAIN, 16, drawn=True), some(Split.TEST, 8, 50, drawn=True)], None)
    assert report.lines() == ["train: drawn by the task", "test: 8 drawn by the task"]
