"""Before anything is trained on, every question is opened as a rollout would open it, and judged."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.trainyard_trainer import chat_model
from tests.trainyard_trainer.run_configs import run_config
from trainyard_api.model_source import ScratchModel
from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.chat.renderer import make_renderer
from trainyard_trainer.data.jsonl import QuestionFile
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.data.splits import Split
from trainyard_trainer.environment import Question
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.load import LoadedModel, scratch
from trainyard_trainer.tasks.arithmetic_tools import ArithmeticToolsTask
from trainyard_trainer.tasks.calculator import CalculatorEnvironment, CalculatorTask
from trainyard_trainer.tasks.question_answer import QuestionAnswerTask
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.training.check_data import Limits, check_data, open_questions


class AnyNumbers(CalculatorTask):
    """The calculator, about any file of questions."""

    accepts_data = True


TASK = AnyNumbers({})
FILES = {
    Split.TRAIN: QuestionFile(tuple(Question(f"Q{left}+{left};", "1") for left in range(10, 99)), {}),
    Split.VALIDATION: QuestionFile((Question("Q10-10;", "0"),), {}),
    Split.TEST: QuestionFile(tuple(Question(f"Q{left}*{left};", "1") for left in range(10, 99)), {}),
}


def config(**evaluation: Any) -> RunConfig:
    """A run's, with or without an evaluation."""
    return run_config({"type": "SFT", "sft": {"steps": 1}}, **({"evaluation": evaluation} if evaluation else {}))


def check(
    questions: Questions,
    task: CalculatorTask = TASK,
    longest: int | None = None,
    longest_demonstration: int | None = None,
) -> list[str]:
    """The report's lines."""
    renderer = make_renderer(scratch(ScratchModel(), CalculatorTask.alphabet, 0).vocabulary, task)
    limits = Limits(longest, task.max_turn_tokens, longest_demonstration)
    return check_data(questions, task, renderer, limits, training=True).lines()


def test_the_report_is_logged_with_lengths_in_ids(caplog: pytest.LogCaptureFixture) -> None:
    """Of every set that is asked; the calculator's prompts are seven characters, each a token."""
    questions = open_questions(config(questions=4), TASK, FILES)
    with caplog.at_level(logging.INFO):
        lines = check(questions)
    assert lines[0] == "train: 89 questions, 0 of them repeated; the longest prompt has 7 tokens"
    assert lines[1] == "test: 89 questions, 0 of them repeated; the longest prompt has 7 tokens"
    assert "below 100" in lines[2]
    assert [record.getMessage() for record in caplog.records] == [f"data: {line}" for line in lines]


def test_a_tasks_own_questions_are_reported_too() -> None:
    """Without files."""
    lines = check(open_questions(config(questions=6, validation={"questions": 3}), CalculatorTask({}), {}))
    assert lines == [
        "train: drawn by the task; the longest prompt has 7 tokens",
        "validation: 3 drawn by the task; the longest prompt has 7 tokens",
        "test: 6 drawn by the task; the longest prompt has 7 tokens",
    ]


def test_a_prompt_without_room_for_an_answer_is_refused_and_logged_first(caplog: pytest.LogCaptureFixture) -> None:
    """A model of 14 tokens, and answers of up to 8, leave 6."""
    assert Limits.of(14, 8, demonstrates=False) == Limits(6, 8, None)
    assert Limits.of(None, 8, demonstrates=False).prompt is None
    with caplog.at_level(logging.INFO), pytest.raises(RefusedError) as refusal:
        check(open_questions(config(), TASK, FILES), longest=6)
    assert refusal.value.reason is TerminationReason.INVALID_DATA
    assert (refusal.value.field_path, refusal.value.value) == ("spec.task.data.train", "Q10+10;")
    assert "more than 6 tokens" in str(refusal.value)
    assert any(record.getMessage().startswith("data: refused: ") for record in caplog.records)


def test_a_demonstration_longer_than_the_model_is_refused_in_the_report(caplog: pytest.LogCaptureFixture) -> None:
    """The longest are like `Q10+10;C10+10;R1;A1$`: 20 characters, each a token."""
    questions = open_questions(config(questions=4), TASK, FILES)
    lines = check(questions, longest_demonstration=20)
    assert not [line for line in lines if line.startswith("refused")]
    with caplog.at_level(logging.INFO), pytest.raises(RefusedError) as refusal:
        check(questions, longest_demonstration=19)
    assert refusal.value.reason is TerminationReason.INVALID_DATA
    assert refusal.value.field_path == "spec.task.data.train"
    assert refusal.value.value in {question.text for question in FILES[Split.TRAIN].questions}
    assert "no train demonstration may have more than 19 tokens, what the model reads" in str(refusal.value)
    assert str(refusal.value.value) in caplog.messages[-1]


def test_a_file_for_a_task_that_asks_its_own_questions_is_refused() -> None:
    """It would answer others than it was asked."""
    with pytest.raises(RefusedError) as refusal:
        open_questions(config(), CalculatorTask({}), FILES)
    assert (refusal.value.field_path, refusal.value.value) == ("spec.task.data", "calculator")


def test_a_query_that_opens_no_conversation_is_told_and_all_of_them_are_refused() -> None:
    """One may be the environment's bad day; all of them are no data for this task."""

    class Picky(CalculatorEnvironment):
        async def reset(self, question: Question) -> str:
            if question.text < bar:
                raise ValueError(f"can't ask {question.text}")
            return question.text

    class PickyTask(AnyNumbers):
        def environment(self) -> Picky:
            return Picky()

    bar = "Q11"
    lines = check(open_questions(config(), PickyTask({}), FILES), PickyTask({}))
    assert [line for line in lines if line.startswith("warning: 1 train questions open no conversation; ValueError")]
    bar = "Z"
    with pytest.raises(RefusedError, match="must open a conversation, and none does; ValueError") as refusal:
        check(open_questions(config(), PickyTask({}), FILES), PickyTask({}))
    assert refusal.value.field_path == "spec.task.data.train"


def test_a_character_that_the_model_cannot_write_is_told() -> None:
    """A tokenizer of characters leaves out those that it hasn't."""
    files = {Split.TRAIN: QuestionFile((Question("Q1+1 é;", "2"), Question("Q1+1;", "2")), {})}
    lines = check(open_questions(config(), TASK, FILES | files))
    told = "warning: 1 train prompts have characters that the tokenizer can't write; 'é', for 'Q1+1 é;'"
    assert told in lines


def report(
    task: Task, loaded: LoadedModel, *questions: Question, demonstrates: bool = False, **options: str
) -> list[str]:
    """The report's lines on a training file of these questions."""
    files = {Split.TRAIN: QuestionFile(questions, {})} | {
        split: QuestionFile((Question(f"{split}?", questions[0].expected),), {})
        for split in (Split.VALIDATION, Split.TEST)
    }
    limits = Limits.of(None, task.max_turn_tokens, demonstrates=demonstrates)
    opened = open_questions(config(), task, files)
    return check_data(
        opened, task, make_renderer(loaded.vocabulary, task), limits, training=True, options=options
    ).lines()


def test_a_token_beyond_the_embeddings_is_refused_by_its_line() -> None:
    """One query of many is enough: it would end the run in the middle."""
    made = chat_model.loaded()
    made.tokenizer.add_tokens(["<new>"])
    queries = [Question(f"What is {number}?", "x", line=number) for number in range(1, 48)]
    queries[16] = Question("What is <new>?", "x", line=17)
    with pytest.raises(RefusedError, match=r"line 17: .* the token '<new>' has the id 390") as refusal:
        report(QuestionAnswerTask({}), made, *queries)
    assert refusal.value.reason is TerminationReason.INVALID_DATA
    assert (refusal.value.field_path, refusal.value.value) == ("spec.task.data.train", "What is <new>?")


def test_an_outcome_beyond_the_embeddings_is_refused_where_it_is_taught() -> None:
    """By its line; where nothing is taught, a person is told that it can't be met."""
    made = chat_model.loaded()
    made.tokenizer.add_tokens(["<new>"])
    queries = [Question("a", "x", line=1), Question("b", "<new>", line=2)]
    with pytest.raises(RefusedError, match=r"line 2: .* the token '<new>' has the id 390"):
        report(QuestionAnswerTask({}), made, *queries, demonstrates=True)
    (told,) = (line for line in report(QuestionAnswerTask({}), made, *queries) if "can't be met" in line)
    assert told.startswith("warning: 1 of the train outcomes can't be met; the first, line 2: '<new>'")


@pytest.mark.parametrize("drops", [False, True], ids=["raises", "drops"])
def test_an_option_that_the_template_cannot_write_is_refused_by_its_name(drops: bool) -> None:
    """Before any work; without the option the model serves."""
    raising = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    loop = "{%- for message in messages "
    dropping = chat_model.STABLE.replace(f"{loop}-%}}", f"{loop}if message.role != 'system' -%}}")
    made = chat_model.loaded(dropping if drops else raising + chat_model.STABLE)
    question = Question("What is 1+1?", "2", line=1)
    assert report(QuestionAnswerTask({}), made, question)
    with pytest.raises(RefusedError, match=r"chat template (leaves|takes no) system") as refusal:
        report(QuestionAnswerTask({"system": "Be short."}), made, question, system="Be short.")
    assert refusal.value.reason is TerminationReason.INVALID_OPTION
    assert (refusal.value.field_path, refusal.value.value) == ("spec.task.options.system", "Be short.")


def test_a_template_that_writes_no_conversation_of_the_task_is_unsuitable() -> None:
    """It is the model's fault, not the data's; where it writes some, the line is named."""
    template = "{% for m in messages %}{% if '@' in m.content %}{{ 1 / 0 }}{% endif %}{% endfor %}" + chat_model.STABLE
    made = chat_model.loaded(template)
    bad = Question("a@b", "2", line=2)
    files = {split: QuestionFile((Question(f"{split}@", "2"),), {}) for split in Split}
    task = QuestionAnswerTask({})
    opened = open_questions(config(), task, files)
    with pytest.raises(RefusedError, match="writes the task's conversations; ZeroDivisionError") as refusal:
        check_data(opened, task, make_renderer(made.vocabulary, task), Limits(None, 8, None), training=True)
    assert (refusal.value.reason, refusal.value.field_path) == (TerminationReason.MODEL_UNSUITABLE, "spec.model")
    with pytest.raises(
        RefusedError, match="line 2: a train question must be a text that the model can read"
    ) as refusal:
        report(task, made, Question("ab", "2", line=1), bad)
    assert refusal.value.reason is TerminationReason.INVALID_DATA


TEXT = QuestionAnswerTask({"dialogue": "text", "stop": ";", "alphabet": "ab12;", "max_turn_tokens": "3"})
TEXT_MODEL = scratch(ScratchModel(), TEXT.alphabet, 0)


@pytest.mark.parametrize("expected", ["1é", "1;2"])
def test_an_outcome_that_cannot_be_said_is_told_and_never_taught(expected: str) -> None:
    """Some of them: a warning, but with demonstrations a refusal; all of them: a refusal."""
    good, wrong = Question("a", "12", line=1), Question("b", expected, line=2)
    lines = report(TEXT, TEXT_MODEL, good, wrong)
    assert [line for line in lines if f"1 of the train outcomes can't be met; the first, line 2: {expected!r}" in line]
    for queries, demonstrates in (((good, wrong), True), ((wrong, wrong), False)):
        with pytest.raises(RefusedError, match="line 2: an expected outcome must be one that can be said") as refusal:
            report(TEXT, TEXT_MODEL, *queries, demonstrates=demonstrates)
        assert (refusal.value.field_path, refusal.value.value) == ("spec.task.data.train", expected)


def test_an_outcome_longer_than_a_turn_is_told() -> None:
    """It may be taught; where all are too long, nothing could ever be right."""
    good, long = Question("a", "12", line=1), Question("b", "1212", line=2)
    told = "1 of the train outcomes can't be met; the first, line 2: '1212', for it has 5 tokens with its end"
    for demonstrates in (False, True):
        assert [line for line in report(TEXT, TEXT_MODEL, good, long, demonstrates=demonstrates) if told in line]
    with pytest.raises(RefusedError, match="and a turn at most 3; 2 of 2 train outcomes can't"):
        report(TEXT, TEXT_MODEL, long, Question("c", "2121", line=3))


def test_an_ambiguous_outcome_is_refused_by_its_line() -> None:
    """One that no answer could be judged by."""
    task = ArithmeticToolsTask({})
    queries = (Question("a", "12", line=1), Question("b", "2024-01-30", line=2))
    with pytest.raises(RefusedError, match="line 2: expected_outcome must be a number") as refusal:
        report(task, chat_model.loaded(), *queries)
    assert refusal.value.value == "2024-01-30"


def test_questions_that_a_task_draws_itself_are_not_tried() -> None:
    """It knows its own answers; only what somebody wrote into a file can be wrong."""
    task = ArithmeticToolsTask({"max_turn_tokens": "1"})
    lines = check_data(
        open_questions(config(questions=4), task, {}), task, make_renderer(chat_model.loaded().vocabulary, task),
        Limits.of(None, 1, demonstrates=False), training=True,
    ).lines()  # fmt: skip
    assert not [line for line in lines if "can't be met" in line]


def test_a_query_that_spells_a_control_token_is_told() -> None:
    """Somebody may have written the model's template into the data by hand, where it now is but text."""
    queries = (Question("a", "x", line=1), Question("<|im_start|>user\nb<|im_end|>", "x", line=2))
    told = (
        "1 train questions spell control tokens of the model, which are read as text unless spec.task.specialTokens is"
    )
    (line,) = (line for line in report(QuestionAnswerTask({}), chat_model.loaded(), *queries) if told in line)
    assert line.endswith("the first, line 2: '<|im_start|>'")


def test_a_measurement_with_fewer_questions_than_asked_for_is_told() -> None:
    """By the field that asks; as many as were asked for are nothing to tell."""
    files = {Split.TRAIN: QuestionFile((Question("Q10+10;", "1"),), {}), Split.VALIDATION: FILES[Split.VALIDATION]}
    files |= {Split.TEST: QuestionFile((Question("Q10*10;", "1"), Question("Q11*11;", "1")), {})}
    for asked, told in (
        (100, ["warning: spec.evaluation.questions asks for 100 test questions; there are 2"]),
        (2, []),
    ):
        lines = check(open_questions(config(questions=asked), TASK, files))
        assert [line for line in lines if "asks for" in line] == told
