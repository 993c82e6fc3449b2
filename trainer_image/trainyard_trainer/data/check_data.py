"""A run's questions before anything is trained on them: opened, reported on, and refused where they can't be used.

Place in the data's way: station 4, once task, model and dialogue are there, before any work. Lengths are those of the
ids that a rollout would begin with. The report goes to the log; what it judges is `data_report`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trainyard_api.run_config import RunConfig
from trainyard_api.termination import TerminationReason
from trainyard_trainer.data.data_report import DataReport, QuerySet, Refusal, data_report
from trainyard_trainer.data.jsonl import QueryFile
from trainyard_trainer.data.question_sources import DATA_FIELD, DrawnQuestions, FileQuestions, QuestionSource
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.data.splits import Split
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.dialogue import Dialogue
from trainyard_trainer.rollouts.environments import FailedEnvironmentError, GuardedEnvironment
from trainyard_trainer.seams import Prompt, Question, Said
from trainyard_trainer.tasks.task import Task

_log = logging.getLogger(__name__)

_SHOWN = 120
"""Characters of a query that a line of the report shows."""


def open_questions(config: RunConfig, task: Task, files: Mapping[Split, QueryFile]) -> Questions:
    """The questions of a run: those of its files, where it has any, else the task's own.

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


def check_data(
    questions: Questions,
    task: Task,
    dialogue: Dialogue,
    *,
    training: bool,
    longest: int | None,
    longest_demonstration: int | None = None,
) -> DataReport:
    """Report on every question that a run may ask, in the log.

    Args:
        questions: the run's.
        task: its environments say what a question's prompt is.
        dialogue: turns that into ids.
        training: whether the run trains.
        longest: most tokens of a prompt, as `max_prompt_tokens` says.
        longest_demonstration: most tokens that the model reads; None where demonstrations don't matter.

    Raises:
        RefusedError: INVALID_DATA; they can't be used. The log has the whole report by then.
    """
    sets, refusals, warnings = [], [], []
    for one in questions.query_sets(training=training):
        opened = _open(one.questions, task, dialogue)
        shown = [] if longest_demonstration is None else _shown(one, opened, questions, dialogue)
        sets.append(replace(one, lengths=[prompt.tokens for prompt in opened], demonstrated=shown))
        failed = [prompt for prompt in opened if prompt.problem is not None]
        if failed and len(failed) == len(opened):
            refusals.append(_none_opens(one, failed[0]))
        elif failed:
            warnings.append(f"{len(failed)} {one.split} queries open no conversation; {failed[0]}")
        if cut := [prompt for prompt in opened if prompt.lost]:
            warnings.append(f"{len(cut)} {one.split} prompts have characters that the tokenizer can't write; {cut[0]}")
    report = data_report(sets, longest, refusals, max_tokens=longest_demonstration)
    report = replace(report, warnings=(*report.warnings, *warnings))
    for line in report.lines():
        _log.info("data: %s", line)
    report.refuse()
    return report


def max_prompt_tokens(context_length: int | None, max_turn_tokens: int) -> int | None:
    """Longest prompt, in tokens, that leaves room for one answer; None where the model knows no limit."""
    return None if context_length is None else context_length - max_turn_tokens


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What a question's conversation begins with: its tokens and the characters that got lost, or what went wrong."""

    question: Question
    tokens: int | None = None
    lost: str = ""
    problem: str | None = None

    def __str__(self) -> str:
        return f"{self.problem or repr(self.lost)}, for {self.question.text[:_SHOWN]!r}"


def _open(questions: Sequence[Question], task: Task, dialogue: Dialogue) -> list[_Prompt]:
    """Open a conversation about each question, as a rollout would."""
    prompts = []
    with asyncio.Runner() as runner:
        for question in questions:
            try:
                said = runner.run(GuardedEnvironment(task).reset(question))
                ids = dialogue.opening(said)
            except (FailedEnvironmentError, ValueError) as error:
                prompts.append(_Prompt(question, problem=str(error)))
            else:
                prompts.append(_Prompt(question, len(ids), _lost(said, dialogue.text(ids))))
    return prompts


def _shown(one: QuerySet, opened: Sequence[_Prompt], questions: Questions, dialogue: Dialogue) -> Sequence[int | None]:
    """Tokens of one demonstration of each training question that opens a conversation: others may differ a little."""
    if one.split is not Split.TRAIN:
        return []
    return [
        None
        if prompt.tokens is None
        else len(dialogue.demonstration(questions.demonstration(Prompt(0, index, prompt.question)))[0])
        for index, prompt in enumerate(opened)
    ]


def _lost(said: Said, written: str) -> str:
    """Characters that were said and aren't in the prompt; templates may cut white space."""
    text = said if isinstance(said, str) else "".join(message.content for message in said)
    return "".join(sorted(char for char in set(text) - set(written) if not char.isspace()))


def _none_opens(one: QuerySet, first: _Prompt) -> Refusal:
    rule = f"a {one.split} query must open a conversation, and none does; {first.problem}"
    return Refusal(one.field_path, rule, first.question.text[:_SHOWN])
