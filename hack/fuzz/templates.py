"""Chat templates: well-known ones with parts of their programs out of order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from hack.fuzz.kind import Kind, one_line, promise, refused
from hack.fuzz.models import chat_model, known_templates
from hack.fuzz.texts import edited, rearranged, texts
from trainyard_trainer.chat.chat_renderer import ChatRenderer
from trainyard_trainer.data.jsonl import QuestionFile
from trainyard_trainer.data.question_sources import FileQuestions
from trainyard_trainer.data.questions import Questions
from trainyard_trainer.data.splits import Split
from trainyard_trainer.environment import Message, PolicyTurn, Question, ToolCall
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.arithmetic_tools import ArithmeticToolsTask
from trainyard_trainer.tasks.question_answer import QuestionAnswerTask
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.training.check_data import Limits, check_data
from trainyard_trainer.trajectory import Role

PIECES = (
    *(
        "{{ raise_exception('no') }}",
        "{{ undefined.field }}",
        "{{ 1 / 0 }}",
        "{{ messages[99].content }}",
        "{% if true %}",
    ),
    *(
        "{% endif %}",
        "{% endfor %}",
        "{% for message in messages %}",
        "{% else %}",
        "{% set x = messages %}",
        "{{ x }}",
    ),
    *("{{ bos_token }}", "{{ eos_token }}", "{{ tools | tojson }}", "{{ message.content | upper }}", "{{ message }}"),
    *("{{ strftime_now('%d %b %Y') }}", "{{ strftime_now(1) }}", "{{ messages | length }}", "{{ ''.__class__ }}", "{%"),
    *(
        "{{ namespace(a=1).a }}",
        "{{ [1] * 3 }}",
        "{{ cycler }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "#}",
    ),
    *(
        "{{ range(5) | list }}",
        "{{ message.content.split('x')[0] }}",
        "{% break %}",
        "{% generation %}",
        "{{ '\\ud83d' }}",
    ),
    *("{{ add_generation_prompt }}", "{% include 'x' %}", "{% import 'os' as os %}", "{{ loop.index0 }}", "}}", "{{"),
)
WORDS = (
    *(("'user'", "'tool'"), ("'tool'", "'user'"), ("==", "!="), ("loop.first", "loop.last"), ("content", "name")),
    *(
        (" and ", " or "),
        ("not ", ""),
        ("add_generation_prompt", "not add_generation_prompt"),
        ("'assistant'", "'model'"),
    ),
    *(("tool_calls", "calls"), ("messages", "messages[1:]"), ("messages", "messages[:-1]"), ("| trim", "")),
    *(
        ("| tojson", ""),
        ("is defined", "is none"),
        ("arguments", "name"),
        ("loop.index0", "loop.index"),
        ("if ", "if not "),
    ),
)
"""What may stand for what in a statement that stays one."""
_PARTS = re.compile(r"(\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\})", re.DOTALL)
_CALL = Message("assistant", "", tool_calls=(ToolCall("calculator", {"expression": "4*9"}),))


@dataclass(frozen=True)
class Program:
    """A template, the well-known one that it comes from, and what a conversation under it says."""

    base: str
    template: str
    said: str
    system: str


@st.composite
def _still_a_program(draw: st.DrawFn, parts: list[str]) -> str:
    """Changes words in statements and texts that are written; blocks still open and close."""
    now = list(parts)
    whole = [piece for piece in PIECES if piece.startswith("{{") and piece.endswith("}}")]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(now) - 1))
        if now[at].startswith("{%"):
            old, new = draw(st.sampled_from(WORDS))
            now[at] = now[at].replace(old, new, 1)
        else:
            put = draw(st.sampled_from(whole) | texts(1).filter(lambda text: "{" not in text))
            now[at] = put if draw(st.booleans()) else now[at] + put
    return "".join(now)


def _program_of(base: str) -> st.SearchStrategy[Program]:
    template, _ = known_templates()[base]
    pieces = st.sampled_from(PIECES) | texts(2)
    parts = [part for part in _PARTS.split(template) if part]
    gentle = _still_a_program(parts)
    changed = gentle | gentle | rearranged(parts, pieces) | edited([template], pieces, most=3)
    return st.builds(Program, st.just(base), changed, texts(3), texts(2))


def check(program: Program) -> None:
    """Makes a renderer of it, or hears why not, then talks."""
    for task in (QuestionAnswerTask({"system": program.system}), ArithmeticToolsTask({"tool_format": "hermes"})):
        try:
            renderer = ChatRenderer(chat_model(program.template, program.base).vocabulary, task)
        except RefusedError as error:
            refused(error)
        else:
            _talk(program, task, renderer)


def _talk(program: Program, task: Task, renderer: ChatRenderer) -> None:
    user, end = Message("user", program.said), renderer.stop_ids[0]
    _ids(lambda: renderer.opening(program.said))
    _ids(lambda: renderer.opening((Message("system", program.system), user)))
    _ids(lambda: renderer.reply(program.said, end))
    _ids(lambda: renderer.reply((Message("tool", program.said, name="calculator"),), None))
    _ids(lambda: renderer.answer(program.said))
    turns = [DemonstrationTurn(Role.PROMPT, (user,)), DemonstrationTurn(Role.POLICY, (_CALL,))]
    turns.append(DemonstrationTurn(Role.TOOL, (Message("tool", program.said, name="calculator"),)))
    _ids(lambda: renderer.demonstration([*turns, DemonstrationTurn(Role.POLICY, (Message("assistant", "36"),))])[0])
    promise(isinstance(renderer.turn((1, 2, 3, end)), PolicyTurn), "a turn is read whatever it says")
    file = QuestionFile((Question("2+2", "4", 1), Question("What is 3*5?", "15", 2)), {})
    for demonstrates in (False, True):
        limits = Limits.of(4096, task.max_turn_tokens, demonstrates=demonstrates)
        try:
            questions = Questions(FileQuestions({Split.TRAIN: file}, 0), task, 0, None)
            report = check_data(questions, task, renderer, limits, training=True, options={"system": program.system})
        except RefusedError as error:
            refused(error)
        else:
            for line in report.lines():
                one_line(line)


def _ids(write: Callable[[], Any]) -> None:
    """Holds what is written to ids that the model reads, or to the errors that a renderer may raise."""
    try:
        found = write()
    except RefusedError as error:
        refused(error)
    except ValueError as error:
        one_line(str(error))
    else:
        promise(all(isinstance(each, int) for each in found), f"a renderer writes ids; got {found!r}")


KIND = Kind("templates", 250, st.sampled_from(sorted(known_templates())).flatmap(_program_of), check)
