"""What a policy may write: texts like calls of every format, through a renderer, the tools and the ledgers."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

from hypothesis import strategies as st

from hack.fuzz.conversations import played
from hack.fuzz.kind import Kind, promise
from hack.fuzz.models import RESPONSE_TEMPLATE, chat_model
from hack.fuzz.texts import edited, texts
from trainyard_trainer.chat.chat_renderer import ChatRenderer
from trainyard_trainer.chat.tool_calls import FORMATS
from trainyard_trainer.environment import PolicyTurn, Question, ToolCall
from trainyard_trainer.readable import is_writable
from trainyard_trainer.tasks.arithmetic_tools import ArithmeticToolsTask
from trainyard_trainer.trajectory import TrajectoryStatus

OWN_RULE = "response_template"
CALLS = (
    '{"name": "calculator", "arguments": {"expression": "1+1"}}',
    '{"name": "sum_1_to_n", "arguments": {"n": 57}}',
    '{"name": "calculator", "parameters": {"expression": "2*(3-4)/5"}}',
    '{"name": "calculator", "arguments": "{\\"expression\\": \\"7\\"}"}',
)
TURNS = (
    *(f"<tool_call>{call}</tool_call>" for call in CALLS),
    *(f"<|python_tag|>{call}" for call in CALLS),
    *(f"[[{call}]]" for call in CALLS),
    *CALLS,
    f"<think>maybe <tool_call>{CALLS[0]}</tool_call></think>2",
    f"So: <tool_call>{CALLS[0]}</tool_call>\n<tool_call>{CALLS[1]}</tool_call>",
    "The answer is 42.",
)
PIECES = (
    *("<tool_call>", "</tool_call>", "<|python_tag|>", "[[", "]]", "<think>", "</think>", "<|im_end|>", "<|im_start|>"),
    *('"', "\\", "{", "}", "[", "]", ",", ":", "null", "true", "1e999", "-0", "NaN", "1" * 5000, "\\ud83d", "\\u0000"),
    *('"n": 57, ', '"name": 7', '"arguments": {}', '"expression": "9**9**9"', '"expression": "1/0"', "0.1e-400"),
    *("[" * 70, "{" * 3000, '{"a":' * 100, '"' + "9" * 4400 + '"'),
)


@dataclass(frozen=True)
class Written:
    """A turn: how calls are written, the text, and whether the policy ended it."""

    way: str
    text: str


def _call() -> st.SearchStrategy[str]:
    """Draws a call as JSON that can be read, of any tool with any arguments."""
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | texts(2),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts(1), inner, max_size=2),
        max_leaves=4,
    )
    names = st.sampled_from(("calculator", "sum_1_to_n")) | texts(2)
    arguments = st.dictionaries(st.sampled_from(("expression", "n")) | texts(1), values, max_size=2) | values
    key = st.sampled_from(("arguments", "parameters"))
    return st.tuples(names, key, arguments, st.booleans()).map(
        lambda made: json.dumps({"name": made[0], made[1]: made[2]}, ensure_ascii=made[3])
    )


def _written() -> st.SearchStrategy[Written]:
    pieces = st.sampled_from(PIECES) | texts(2)
    marks = st.sampled_from((("<tool_call>", "</tool_call>"), ("<|python_tag|>", ""), ("[[", "]]"), ("", "")))
    called = st.tuples(marks, _call()).map(lambda made: f"{made[0][0]}{made[1]}{made[0][1]}")
    loose = st.lists(pieces | called | st.sampled_from(TURNS), max_size=6).map("".join)
    text = called | edited(TURNS, pieces) | loose
    return st.builds(Written, st.sampled_from((*FORMATS, OWN_RULE)), text)


@functools.cache
def _way(way: str) -> tuple[ArithmeticToolsTask, ChatRenderer]:
    if way == OWN_RULE:
        task = ArithmeticToolsTask({})
        return task, ChatRenderer(chat_model(response_template=RESPONSE_TEMPLATE).vocabulary, task)
    task = ArithmeticToolsTask({"tool_format": way})
    return task, ChatRenderer(chat_model().vocabulary, task)


def check(written: Written) -> None:
    """Reads the turn, then lets a conversation go on with it: nothing that a policy writes may be anybody's failure."""
    task, renderer = _way(written.way)
    ids = _sampled(renderer, written.text)
    turn = renderer.turn(ids)
    promise(isinstance(turn, PolicyTurn) and isinstance(turn.text, str), f"a turn is a PolicyTurn; got {turn!r}")
    for call in turn.calls:
        if isinstance(call, ToolCall):
            promise(
                isinstance(call.name, str) and isinstance(call.arguments, dict), f"a call is an object; got {call!r}"
            )
            promise(is_writable(call.name), f"a call's name is a text; got {call.name!a}")
        else:
            promise(call.problem.strip(), "the policy is told why a call can't be read")
    end, answer = renderer.stop_ids[0], renderer.answer("It is 2.")
    (said, cut) = played(
        task, renderer, [Question("What is 1+1?", "2")] * 2, {0: [(*ids, end), answer], 1: [ids, answer]}
    )
    good = {TrajectoryStatus.OK, TrajectoryStatus.TRUNCATED}
    for found in (said, cut):
        promise(found.status in good, f"what a policy writes fails no environment; got {found.status}: {found.error}")


def _sampled(renderer: ChatRenderer, text: str) -> tuple[int, ...]:
    """Draws ids that a policy may sample for a text: control tokens where it spells one, bytes for all else."""
    tokenizer = chat_model().tokenizer
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    ids = [number for number in tokenizer.encode(whole, add_special_tokens=False) if number not in renderer.stop_ids]
    return tuple(ids[:200]) or (0,)


KIND = Kind("tool-calls", 450, _written(), check)
