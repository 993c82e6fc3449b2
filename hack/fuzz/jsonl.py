"""Lines of data files: read, then reported on as before a run."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from hack.fuzz.kind import Kind, one_line, promise, refused
from hack.fuzz.models import chat_model, text_model
from hack.fuzz.texts import PIECES, edited, texts
from trainyard_api.evaluation import Evaluation
from trainyard_trainer.chat.renderer import Renderer, make_renderer
from trainyard_trainer.data.jsonl import QuestionFile, read_questions
from trainyard_trainer.data.question_sources import DATA_FIELD, FileQuestions
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.data.splits import Split
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.readable import is_writable
from trainyard_trainer.tasks.arithmetic_tools import ArithmeticToolsTask
from trainyard_trainer.tasks.question_answer import QuestionAnswerTask
from trainyard_trainer.tasks.task import Task
from trainyard_trainer.training.check_data import Limits, check_data

ALPHABET = "0123456789+=;"
GOOD = (
    '{"query": "2+2=", "expected_outcome": "4"}',
    '{"query": "3+2=", "expected_outcome": 5}',
    '{"query": "What is 7*8?", "expected_outcome": "56", "level": 3}',
    '{"expected_outcome": "1/3", "query": "1 / 3"}',
    '{"query": "Is it so?", "expected_outcome": "yes\\n"}',
)


def _numbers() -> st.SearchStrategy[str]:
    odd = ("1.50", "-0", "1e3", "1E999", "-1e-999", "0.1e1", "NaN", "-Infinity", "01", "1" * 5000, "+1", ".5", "0x1")
    return st.sampled_from(odd) | st.floats().map(repr) | st.integers().map(str)


def _members() -> st.SearchStrategy[Any]:
    names = st.sampled_from(("query", "expected_outcome", "expected", "tags")) | texts(3)
    values = st.recursive(
        st.none() | st.booleans() | texts() | st.integers() | st.floats(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(2), inner, max_size=3),
        max_leaves=6,
    )
    return st.dictionaries(names, values, max_size=5)


def _questions() -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({"query": texts(), "expected_outcome": texts(3)})


def _plausible() -> st.SearchStrategy[dict[str, Any]]:
    """Draws questions that are texts, with odd things in them."""
    said = (
        st.tuples(st.sampled_from("q2 7"), texts(4))
        .map("".join)
        .filter(lambda text: text.strip() and is_writable(text))
    )
    known = st.sampled_from(("4", "1/3", "1e3", "5", "56", "-0.50", "yes", "2026-01-31"))
    return st.fixed_dictionaries(
        {"query": said, "expected_outcome": said | known | st.integers()},
        optional={"level": st.integers(), "a\nb": st.none()},
    )


def _lines() -> st.SearchStrategy[str]:
    with_number = st.tuples(texts(2), _numbers()).map(
        lambda pair: f'{{"query": {json.dumps(pair[0] or "q")}, "expected_outcome": {pair[1]}}}'
    )
    return st.one_of(
        st.sampled_from(GOOD),
        _questions().map(json.dumps),
        _questions().map(lambda members: json.dumps(members, ensure_ascii=False)),
        _members().map(json.dumps),
        with_number,
        edited(GOOD, st.sampled_from(PIECES) | texts(2)),
        st.integers(1, 20_000).map(lambda depth: '{"query": ' + "[" * depth),
        texts(),
    )


@st.composite
def _files(draw: st.DrawFn) -> bytes:
    plausible = st.sampled_from(GOOD) | _plausible().map(json.dumps)
    lines = draw(st.lists(plausible, min_size=1, max_size=8) | st.lists(_lines(), max_size=8))
    text = draw(st.sampled_from(("\n", "\r\n", "\n\n"))).join(lines)
    encoding = draw(st.sampled_from(("utf-8",) * 8 + ("utf-8-sig", "utf-16", "latin-1")))
    content = text.encode(encoding, "surrogatepass" if encoding != "latin-1" else "replace")
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.binary(max_size=4)) + content[place:]
    return content


@dataclass(frozen=True)
class Data:
    """The files of a run, the second one for its test questions, and how many of those it asks."""

    train: bytes
    test: bytes | None
    asked: int


def _data() -> st.SearchStrategy[Data]:
    return st.builds(Data, _files(), st.none() | st.none() | _files(), st.integers(0, 3))


@functools.cache
def _ways() -> tuple[tuple[Task, Renderer], ...]:
    """Lists tasks that take a file's questions, each with a renderer."""
    chat = QuestionAnswerTask({"system": "Be brief."})
    text = QuestionAnswerTask({"dialogue": "text", "alphabet": ALPHABET, "stop": ";", "max_turn_tokens": "8"})
    tools = ArithmeticToolsTask({})
    return (
        (chat, make_renderer(chat_model().vocabulary, chat)),
        (tools, make_renderer(chat_model().vocabulary, tools)),
        (text, make_renderer(text_model(ALPHABET).vocabulary, text)),
    )


def check(data: Data) -> None:
    """Reads the files; good ones are reported on for every task, with demonstrations and without."""
    files = {}
    for split, content in ((Split.TRAIN, data.train), (Split.TEST, data.test)):
        if content is None:
            continue
        try:
            files[split] = read_questions(content, source=f"{split}.jsonl", field_path=f"{DATA_FIELD}.{split}")
        except RefusedError as error:
            refused(error)
            return
    for question in (question for file in files.values() for question in file.questions):
        promise(question.text.strip() and question.expected.strip(), "a question and its outcome say something")
        promise(is_writable(question.text + question.expected), "a question can be encoded")
    evaluation = Evaluation(questions=data.asked) if data.asked else None
    for task, renderer in _ways():
        for demonstrates in (False, True):
            _report(files, evaluation, task, renderer, demonstrates=demonstrates)


def _report(
    files: Mapping[Split, QuestionFile],
    evaluation: Evaluation | None,
    task: Task,
    renderer: Renderer,
    *,
    demonstrates: bool,
) -> None:
    limits = Limits.of(4096, task.max_turn_tokens, demonstrates=demonstrates)
    try:
        questions = Questions(FileQuestions(files, 0), task, 0, evaluation)
        report = check_data(questions, task, renderer, limits, training=True, options={"system": "Be brief."})
    except RefusedError as error:
        refused(error)
        return
    for line in report.lines():
        one_line(line)


KIND = Kind("jsonl", 220, _data(), check)
