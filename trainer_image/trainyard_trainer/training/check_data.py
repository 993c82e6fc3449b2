"""A run's questions before anything is trained on them: opened, reported on, and refused where they can't be used.

Place in the data's way: station 4, once task, model and renderer are there, before any work. Lengths are those of the
ids that a rollout would begin with. The report goes to the log; what it judges is `data_report`'s.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.chat.renderer import Renderer
from trainyard_trainer.chat.template import TemplateFailedError
from trainyard_trainer.chat.text_encoder import UnwritableError
from trainyard_trainer.data.data_report import DataReport, QuestionSet, Refusal, data_report
from trainyard_trainer.data.jsonl import QuestionFile
from trainyard_trainer.data.question_sources import DATA_FIELD, DrawnQuestions, FileQuestions, QuestionSource
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.data.splits import Split
from trainyard_trainer.environment import Prompt, Question, Said
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.rollouts.guarded_environment import FailedEnvironmentError, GuardedEnvironment
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.training.check_answers import Unmeetable, unmeetable

_log = logging.getLogger(__name__)

_SHOWN = 120
"""Characters of a question that a line of the report shows."""


def open_questions(config: RunConfig, task: Task, files: Mapping[Split, QuestionFile]) -> Questions:
    """Opens the questions of a run: those of its files if it has any, else the task's own.

    Raises:
        RefusedError: INVALID_MANIFEST; the task can't ask a file's questions, or there are too few.
    """
    seed = config.algorithm.seed
    if files and not task.accepts_data:
        raise RefusedError(
            TerminationReason.INVALID_MANIFEST,
            "must be absent for a task that asks only questions of its own",
            field_path=DATA_FIELD,
            value=config.task.name,
        )
    source: QuestionSource = FileQuestions(files, seed) if files else DrawnQuestions(task, seed)
    return Questions(source, task, seed, config.evaluation)


@dataclass(frozen=True, slots=True)
class Limits:
    """Holds the most tokens of a prompt, of a turn, and of a demonstration; None where there is no limit, or none is
    shown.
    """

    prompt: int | None
    turn: int
    demonstration: int | None

    @staticmethod
    def of(context_length: int | None, turn_tokens: int, *, demonstrates: bool) -> Limits:
        """Computes the limits of a model that reads so many tokens; a prompt must leave room for one answer."""
        prompt = None if context_length is None else context_length - turn_tokens
        return Limits(prompt, turn_tokens, (context_length or sys.maxsize) if demonstrates else None)


def check_data(
    questions: Questions,
    task: Task,
    renderer: Renderer,
    limits: Limits,
    *,
    training: bool,
    options: Mapping[str, str] | None = None,
) -> DataReport:
    """Reports in the log on every question that a run may ask.

    Args:
        questions: the run's.
        task: its environments say what a question's prompt is, and judge its expected outcome.
        renderer: turns texts into ids.
        limits: what the model can read, and a turn can hold.
        training: whether the run trains.
        options: the task's, to name the one that a chat template can't write.

    Raises:
        RefusedError: INVALID_DATA, MODEL_UNSUITABLE or INVALID_OPTION; they can't be used. The log has the whole report
            by then.
    """
    sets, refusals, warnings = [], [], []
    for one in questions.question_sets(training=training):
        opened = _open(one.questions, task, renderer)
        teaches = limits.demonstration is not None and one.split is Split.TRAIN
        shown, unshown = _shown(opened, questions, renderer) if teaches else ([], [])
        sets.append(replace(one, lengths=[prompt.tokens for prompt in opened], demonstrated=shown))
        refusals += [*_refused(one, opened, options or {}), *(_unwritable(one, *fault) for fault in unshown[:1])]
        warnings += _doubts(one, opened)
        if not one.drawn and not refusals:
            wrong = unmeetable(one.questions, task, renderer, limits.turn)
            unmet = _unmet(one, wrong, teaches=teaches)
            refusals += unmet
            warnings += [] if unmet else _unmet_doubts(one, wrong)
    report = data_report(sets, limits.prompt, refusals, max_tokens=limits.demonstration)
    report = replace(report, warnings=(*report.warnings, *questions.short, *warnings))
    for line in report.lines():
        _log.info("data: %s", line)
    report.refuse()
    return report


@dataclass(frozen=True, slots=True)
class _Prompt:
    """Holds what a question's conversation begins with, or what went wrong.

    `tokens` of the prompt, characters that got `lost`, the control token that is `spelled` in it; or the environment's
    `problem`, or why it is `unwritable`.
    """

    question: Question
    tokens: int | None = None
    lost: str = ""
    problem: str | None = None
    spelled: str | None = None
    unwritable: UnwritableError | None = None

    def __str__(self) -> str:
        return f"{self.problem or repr(self.lost)}, for {self.question.text[:_SHOWN]!r}"


def _open(questions: Sequence[Question], task: Task, renderer: Renderer) -> list[_Prompt]:
    """Opens a conversation about each question, as a rollout would."""
    prompts = []
    with asyncio.Runner() as runner:
        for question in questions:
            try:
                said = runner.run(GuardedEnvironment(task).reset(question))
                ids = renderer.opening(said)
            except UnwritableError as error:
                prompts.append(_Prompt(question, unwritable=error))
            except (FailedEnvironmentError, ValueError) as error:
                prompts.append(_Prompt(question, problem=str(error)))
            else:
                lost, spelled = _lost(said, renderer.text(ids)), renderer.control_token(question.text)
                prompts.append(_Prompt(question, len(ids), lost, spelled=spelled))
    return prompts


def _shown(
    opened: Sequence[_Prompt], questions: Questions, renderer: Renderer
) -> tuple[list[int | None], list[tuple[Question, UnwritableError]]]:
    """Counts the tokens of one demonstration of each question that opens a conversation, and finds those that can't be
    written.
    """
    lengths: list[int | None] = []
    unwritable = []
    for index, prompt in enumerate(opened):
        length = None
        if prompt.tokens is not None:
            try:
                turns = questions.demonstration(Prompt(0, index, prompt.question))
                length = len(renderer.demonstration(turns)[0])
            except UnwritableError as error:
                unwritable.append((prompt.question, error))
        lengths.append(length)
    return lengths, unwritable


def _refused(one: QuestionSet, opened: Sequence[_Prompt], options: Mapping[str, str]) -> list[Refusal]:
    """Makes the refusals of prompts that no run could use."""
    failed = [prompt for prompt in opened if prompt.problem is not None]
    if failed and len(failed) == len(opened):
        rule = f"a {one.split} question must open a conversation, and none does; {failed[0].problem}"
        return [Refusal(one.field_path, rule, failed[0].question.text[:_SHOWN])]
    faults = [(prompt.question, prompt.unwritable) for prompt in opened if prompt.unwritable is not None]
    if not faults:
        return []
    by_template = [error for _, error in faults if isinstance(error, TemplateFailedError)]
    if len(by_template) == len(opened):
        return [_unsuitable(by_template[0], options)]
    refusal = _unwritable(one, *faults[0])
    return [replace(refusal, rule=f"{refusal.rule}; {len(faults)} such")]


def _unsuitable(error: TemplateFailedError, options: Mapping[str, str]) -> Refusal:
    """Makes the refusal of a chat template that can't write any conversation of the task."""
    if error.role is not None and error.role in options:
        rule = f"may not be set for this model: {error}; say it in the questions instead"
        field_path = f"spec.task.options.{error.role}"
        return Refusal(field_path, rule, options[error.role][:_SHOWN], TerminationReason.INVALID_OPTION)
    rule = f"must have a chat template that writes the task's conversations; {error}"
    return Refusal("spec.model", rule, None, TerminationReason.MODEL_UNSUITABLE)


def _unwritable(one: QuestionSet, question: Question, error: UnwritableError) -> Refusal:
    rule = f"{_place(question)}a {one.split} question must be a text that the model can read; {error}"
    return Refusal(one.field_path, rule, question.text[:_SHOWN])


def _doubts(one: QuestionSet, opened: Sequence[_Prompt]) -> list[str]:
    """Lists what a person should know of the prompts."""
    doubts = []
    failed = [prompt for prompt in opened if prompt.problem is not None]
    if failed and len(failed) < len(opened):
        doubts.append(f"{len(failed)} {one.split} questions open no conversation; {failed[0]}")
    if cut := [prompt for prompt in opened if prompt.lost]:
        doubts.append(f"{len(cut)} {one.split} prompts have characters that the tokenizer can't write; {cut[0]}")
    if spelling := [prompt for prompt in opened if prompt.spelled]:
        first = f"{_place(spelling[0].question)}{spelling[0].spelled!r}"
        doubts.append(
            f"{len(spelling)} {one.split} questions spell control tokens of the model, which are read as text unless "
            f"spec.task.specialTokens is Tokens; the first, {first}"
        )
    return doubts


def _unmet(one: QuestionSet, wrong: Sequence[Unmeetable], *, teaches: bool) -> list[Refusal]:
    """Makes the refusals of outcomes that can't be met: ambiguous ones, all of a set, or one that would be taught
    wrong.
    """
    first = next((fault for fault in wrong if fault.ambiguous), None)
    if first is None and wrong and (len(wrong) == len(one.questions) or teaches):
        first = next((fault for fault in wrong if not fault.too_long), None if teaches else wrong[0])
    if first is None:
        return []
    many = f"; {len(wrong)} of {len(one.questions)} {one.split} outcomes can't" if len(wrong) > 1 else ""
    rule = "" if first.ambiguous else "an expected outcome must be one that can be said and is right; "
    text = f"{_place(first.question)}{rule}{first.why}{many}"
    return [Refusal(one.field_path, text, first.question.expected[:_SHOWN])]


def _unmet_doubts(one: QuestionSet, wrong: Sequence[Unmeetable]) -> list[str]:
    if not wrong:
        return []
    first = wrong[0]
    shown = f"{_place(first.question)}{first.question.expected[:_SHOWN]!r}, for {first.why}"
    return [f"{len(wrong)} of the {one.split} outcomes can't be met; the first, {shown}"]


def _place(question: Question) -> str:
    return "" if question.line is None else f"line {question.line}: "


def _lost(said: Said, written: str) -> str:
    """Returns the characters that were said and aren't in the prompt; templates may cut white space."""
    text = said if isinstance(said, str) else "".join(message.content for message in said)
    return "".join(sorted(char for char in set(text) - set(written) if not char.isspace()))
