"""Questions follow from seed and step; held-out ones are never trained on."""

from __future__ import annotations

import pytest

from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.questions import Questions, is_held_out
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.calculator import CalculatorTask

TASK = CalculatorTask({})


def test_training_and_held_out_questions_are_disjoint() -> None:
    """Over 200 steps of two seeds no training question is held out, and the 512 held-out ones differ."""
    for seed in (0, 1):
        questions = Questions(TASK, seed, 512)
        held_out = {prompt.question.text for prompt in questions.held_out}
        trained = {prompt.question.text for step in range(200) for prompt in questions.training(step, 16)}
        assert len(held_out) == 512
        assert all(is_held_out(text) for text in held_out)
        assert not trained & held_out
        assert not any(is_held_out(text) for text in trained)
        assert questions.overlap == 0


def test_a_run_that_meets_a_held_out_question_refuses() -> None:
    """The check is of the questions themselves, not of how they were drawn."""
    questions = Questions(TASK, 0, 4)
    with pytest.raises(RefusedError, match="no question of the evaluation may be trained on") as refusal:
        questions.refuse_overlap(questions.held_out[2:3])
    assert refusal.value.value == questions.held_out[2].question.text
    assert questions.overlap == 1


def test_a_steps_questions_depend_on_seed_and_step_alone() -> None:
    """Drawing step 7 first, or again, gives the same questions: the stream can be entered anywhere."""
    whole = [Questions(TASK, 3, 0).training(step, 16) for step in range(9)]
    assert Questions(TASK, 3, 512).training(7, 16) == whole[7]
    assert whole[7] != whole[8]
    assert Questions(TASK, 4, 0).training(7, 16) != whole[7]
    assert Questions(TASK, 3, 0).training(7, 4) == whole[7][:4]


def test_about_a_tenth_is_held_out() -> None:
    """The split is by hash, so it is the same in every run and process."""
    texts = [f"Q{left}{operator}{right};" for left in range(10, 100) for right in range(10, 100) for operator in "+-*"]
    assert 0.09 < sum(map(is_held_out, texts)) / len(texts) < 0.11


def test_more_questions_than_there_are_is_refused() -> None:
    """A tenth of 8,100 sums can't give 5,000 held-out questions."""
    with pytest.raises(RefusedError) as refusal:
        Questions(CalculatorTask({"operators": "+"}), 0, 5000)
    assert refusal.value.reason is TerminationReason.INVALID_MANIFEST
    assert (refusal.value.field_path, refusal.value.value) == ("spec.evaluation.questions", "5000")


def test_demonstrations_are_about_training_questions() -> None:
    """Each begins with a question that isn't held out, and they repeat."""
    shown = Questions(TASK, 0, 0).demonstrations(5, 64)
    assert not any(is_held_out(turns[0].text) for turns in shown)
    assert shown == Questions(TASK, 0, 0).demonstrations(5, 64)
