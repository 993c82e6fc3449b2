"""Tool calls are read in the model's own format, or the turn says why they can't be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_trainer import chat_model
from trainyard_api.termination import TerminationReason
from trainyard_trainer.chat.reasoning import is_open, marks_of
from trainyard_trainer.chat.tool_calls import FORMATS, read_hermes, read_llama3_json, turn_reader
from trainyard_trainer.environment import PolicyTurn, ToolCall, UnreadableCall
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.arithmetic_tools import ArithmeticToolsTask

SUM = ToolCall("sum_1_to_n", {"n": 57})
ADD = ToolCall("calculator", {"expression": "1+1"})
SUM_JSON, ADD_JSON = (
    '{"name": "sum_1_to_n", "arguments": {"n": 57}}',
    '{"name": "calculator", "arguments": {"expression": "1+1"}}',
)

RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "reasoning_content": {"open": "<think>", "close": "</think>", "content": "text"},
        "tool_calls": {
            "open": "[[", "close": "]]", "repeats": True, "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close": "<|im_end|>", "content": "text"},
    },
}  # fmt: skip
"""In the terms of transformers: calls in double brackets."""


def reader(named: str | None = None, template: str = chat_model.STABLE, **more: Any) -> Any:
    """How calls of the test model are read."""
    tokenizer = chat_model.tokenizer(template, **more)
    read = turn_reader(tokenizer, opening(template), ArithmeticToolsTask.tools, named)
    return lambda text, end="": read(text, end)


def opening(template: str = chat_model.STABLE, opened: str = "<|im_start|>assistant\n") -> Any:
    """What is known of a template that opens a policy turn like this."""
    marks = marks_of(template)
    return SimpleNamespace(source=template, opened=opened, marks=marks, reasoning_begun=is_open(opened, marks))


def test_hermes() -> None:
    """Any number of calls, with text around them; without one it is plain text."""
    text = f"So:<tool_call>\n{SUM_JSON}\n</tool_call>\n<tool_call>{ADD_JSON}</tool_call>"
    assert read_hermes(text) == PolicyTurn(text, (SUM, ADD))
    assert read_hermes("It is 7.") == PolicyTurn("It is 7.")


def test_llama3_json() -> None:
    """The whole turn is a call, with `parameters`; everything else is plain text."""
    text = SUM_JSON.replace("arguments", "parameters")
    assert read_llama3_json(text) == PolicyTurn(text, (SUM,))
    assert read_llama3_json(f"<|python_tag|>{text} ").calls == (SUM,)
    assert read_llama3_json("It is {7}.") == PolicyTurn("It is {7}.")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<tool_call>{</tool_call>", "isn't JSON"),
        ("<tool_call>[1]</tool_call>", 'a text as "name"'),
        ('<tool_call>{"name": 7}</tool_call>', 'a text as "name"'),
        ('<tool_call>{"name": "f", "arguments": 7}</tool_call>', '"arguments" must be a JSON object'),
        ('<tool_call>{"name": "f", "arguments": "{"}</tool_call>', "isn't JSON"),
        (f"<tool_call>{SUM_JSON}", "isn't closed"),
        (f"{SUM_JSON}</tool_call>", "isn't closed, or a closing one not opened"),
        ("<tool_call>" + "[" * 100_000 + "</tool_call>", "isn't JSON"),
    ],
)
def test_a_malformed_call_says_why(text: str, reason: str) -> None:
    """With what was written."""
    (found,) = read_hermes(text).calls
    assert isinstance(found, UnreadableCall)
    assert reason in found.problem
    assert found.text in text


def test_a_malformed_call_does_not_hide_those_beside_it() -> None:
    """They are read one by one, in their order."""
    first, second, third = read_hermes(
        f"<tool_call>x</tool_call><tool_call>{SUM_JSON}</tool_call><tool_call>[]</tool_call>"
    ).calls
    assert (first, second, third) == (unread(first, "x"), SUM, unread(third, "[]"))


def unread(call: ToolCall | UnreadableCall, text: str) -> UnreadableCall:
    """A call that can't be read, of this text, with a problem of its own."""
    assert isinstance(call, UnreadableCall)
    return UnreadableCall(text, call.problem)


def test_a_malformed_llama_call_says_why() -> None:
    """What begins like a call is meant as one."""
    for text in ('{"name": "f"', "print(1)"):
        (found,) = read_llama3_json(f"<|python_tag|>{text}").calls
        assert found == unread(found, text)
        assert "isn't JSON" in found.problem


@given(st.text(alphabet='<>{}[]"/:,\\ntol_caeumrgs1'), st.sampled_from(sorted(FORMATS)))
def test_nothing_that_a_policy_writes_raises(text: str, name: str) -> None:
    """It is plain text or calls, of which some can't be read."""
    assert FORMATS[name](text).text == text


def test_the_tokenizers_response_template_goes_before_a_guess() -> None:
    """Its calls are read by transformers; what it leaves out of the content is the model's reasoning."""
    read = reader(response_template=RESPONSE_TEMPLATE)
    assert read(f"[[{SUM_JSON}]]").calls == (SUM,)
    assert read(f"[[{SUM_JSON}]][[{ADD_JSON}]]").calls == (SUM, ADD)
    assert read(f"<tool_call>{SUM_JSON}</tool_call>").calls == ()
    assert read("<think>7?</think>It is 7.") == PolicyTurn("It is 7.")
    for broken in ("[[{]]", '[[{"name": 7}]]', "[[7]]"):
        (found,) = read(broken).calls
        assert isinstance(found, UnreadableCall)
    good, broken_arguments = read(f'[[{SUM_JSON}]][[{{"name": "f", "arguments": "{{"}}]]').calls
    assert good == SUM
    assert isinstance(broken_arguments, UnreadableCall)


def test_the_option_goes_before_everything() -> None:
    """A user may know better."""
    written = SUM_JSON.replace("arguments", "parameters")
    assert reader("llama3-json", response_template=RESPONSE_TEMPLATE)(written).calls == (SUM,)
    with pytest.raises(RefusedError, match="must be one of hermes, llama3-json") as refusal:
        reader("pythonic")
    assert refusal.value.reason is TerminationReason.INVALID_OPTION
    assert refusal.value.field_path == "spec.task.options.tool_format"


def test_else_the_template_shows_it() -> None:
    """By its own marks."""
    assert reader()(f"<tool_call>{SUM_JSON}</tool_call>").calls == (SUM,)
    written = SUM_JSON.replace("arguments", "parameters")
    assert reader(template="{{ '<|python_tag|>' }}")(written).calls == (SUM,)


@pytest.mark.parametrize("template", ["plain", "<tool_call><function=f></tool_call>"])
def test_a_model_that_does_not_say_it_is_refused(template: str) -> None:
    """With the option that would help; a format that only looks like a known one isn't taken for it."""
    with pytest.raises(RefusedError, match="option tool_format may name one") as refusal:
        reader(template=template)
    assert refusal.value.reason is TerminationReason.MODEL_UNSUITABLE


@pytest.mark.parametrize("more", [{}, {"response_template": RESPONSE_TEMPLATE}], ids=["marks", "the tokenizer's rule"])
def test_a_call_that_was_only_thought_of_is_none(more: dict[str, Any]) -> None:
    """It isn't made, and what is said behind the reasoning is the turn."""
    call = f"[[{SUM_JSON}]]" if more else f"<tool_call>{SUM_JSON}</tool_call>"
    read = reader(**more)
    assert read(f"<think>maybe {call}</think>2") == PolicyTurn("2")
    assert read(f"<think>maybe</think>{call}").calls == (SUM,)
    assert read(f"<think>maybe {call}") == PolicyTurn("")
    assert read("<think>maybe 2") == PolicyTurn("")


@pytest.mark.parametrize("more", [{}, {"response_template": RESPONSE_TEMPLATE}], ids=["marks", "the tokenizer's rule"])
def test_a_reasoning_that_the_template_opens_is_one(more: dict[str, Any]) -> None:
    """Whether it is closed or not."""
    tokenizer = chat_model.tokenizer(**more)
    opened = "<|im_start|>assistant\n<think>\n"
    for tools in (ArithmeticToolsTask.tools, ()):
        read = turn_reader(tokenizer, opening(opened=opened), tools, None)
        assert read("maybe 3</think>2", "") == PolicyTurn("2")
        assert read("maybe 3", "<|im_end|>") == PolicyTurn("")


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ('{"name": "f", "arguments": {"n": 1, "n": 2}}', "the key 'n' twice"),
        ('{"name": "f", "name": "g", "arguments": {}}', "the key 'name' twice"),
        ('{"name": "f", "arguments": "{\\"n\\": 1, \\"n\\": 2}"}', "the key 'n' twice"),
        (r'{"name": "f", "arguments": {"n": "\ud83d"}}', "half of a surrogate pair"),
        (r'{"name": "f", "arguments": {"n": [{"\udc00": 1}]}}', "half of a surrogate pair"),
        (r'{"name": "\ud83d", "arguments": {}}', "half of a surrogate pair"),
        ('{"name": "f", "arguments": {"n": ' + '{"m":' * 100 + "1" + "}" * 100 + "}}", "nested more than"),
    ],
)
@pytest.mark.parametrize("own", [False, True], ids=["hermes", "the tokenizer's rule"])
def test_a_call_that_no_tool_should_have_to_expect_is_malformed(written: str, problem: str, own: bool) -> None:
    """Whoever reads it; the policy is told why."""
    read = reader(response_template=RESPONSE_TEMPLATE) if own else reader()
    (found,) = read(f"[[{written}]]" if own else f"<tool_call>{written}</tool_call>").calls
    assert isinstance(found, UnreadableCall)
    assert problem in found.problem


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_numbers_that_json_has_not_are_malformed(number: str) -> None:
    """No tool gets an infinity."""
    (found,) = read_hermes(f'<tool_call>{{"name": "f", "arguments": {{"n": {number}}}}}</tool_call>').calls
    assert isinstance(found, UnreadableCall)


def test_without_tools_nothing_is_read() -> None:
    """A text is a text."""
    read = turn_reader(chat_model.tokenizer(), opening(), (), None)
    assert read(f"<tool_call>{SUM_JSON}</tool_call>", "") == PolicyTurn(f"<tool_call>{SUM_JSON}</tool_call>")
    own = turn_reader(chat_model.tokenizer(response_template=RESPONSE_TEMPLATE), opening(), (), None)
    assert own(f"[[{SUM_JSON}]]", "<|im_end|>") == PolicyTurn(f"[[{SUM_JSON}]]")


def test_the_end_of_a_turn_is_no_part_of_what_is_said() -> None:
    """Though the tokenizer's rule is shown it, which may know the end of a call by it."""
    assert reader(response_template=RESPONSE_TEMPLATE)("It is 7.", "<|im_end|>") == PolicyTurn("It is 7.")


def test_a_turn_of_nothing_but_calls_is_cut_short() -> None:
    """Of a policy that says one thing for ever."""
    (found,) = read_hermes(f"<tool_call>{SUM_JSON}</tool_call>" * 129).calls
    assert isinstance(found, UnreadableCall)
    assert found.problem == "a turn may have at most 128 calls"
    assert len(read_hermes(f"<tool_call>{SUM_JSON}</tool_call>" * 128).calls) == 128
