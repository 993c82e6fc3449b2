"""Templates that models are shipped with: what they can be used for is found out at load."""

from __future__ import annotations

import contextlib
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tokenizers import AddedToken
from trl import chat_template_utils

from tests.trainyard_trainer import chat_model
from trainyard_trainer.chat.chat_renderer import ChatRenderer
from trainyard_trainer.environment import Message, PolicyTurn, Question, ToolCall, UnreadableCall
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.models.load import LoadedModel
from trainyard_trainer.tasks.arithmetic_tools import ArithmeticToolsTask
from trainyard_trainer.tasks.question_answer import QuestionAnswerTask
from trainyard_trainer.training.check_answers import unmeetable

SPEC = find_spec("trl")
TEMPLATES = Path(str(SPEC.origin)).parent / "chat_templates" if SPEC else Path()
"""A collection of templates of well-known models, in a package that tests compare with."""
RESULTS = (Message("tool", "36", name="calculator"), Message("tool", "7", name="sum_1_to_n"))


def model(name: str, *special: str) -> LoadedModel:
    """The test model with another model's template and special tokens."""
    made = chat_model.loaded((TEMPLATES / f"{name}.jinja").read_text(), bos_token="<|bos|>")
    made.tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    made.model.resize_token_embeddings(len(made.tokenizer))
    return made


@pytest.mark.parametrize(
    ("name", "opens"),
    [
        ("qwen2_5", "<|im_start|>assistant\n"),
        ("qwen3", "<|im_start|>assistant\n"),
        ("qwen3_instruct_2507", "<|im_start|>assistant\n"),
        ("qwen3_5_nothink", "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
        ("nemotron_3_nano", "<|im_start|>assistant\n<think>\n"),
    ],
)
def test_results_stand_in_one_message_of_these_families(name: str, opens: str) -> None:
    """In their order, behind the end of the policy's turn; the next turn is opened as the family opens it."""
    chat = ChatRenderer(model(name).vocabulary, ArithmeticToolsTask({"tool_format": "hermes"}))
    text = chat.text(chat.reply(RESULTS, chat.stop_ids[0]))
    assert text.startswith("\n<|im_start|>user\n<tool_response>\n36\n</tool_response>\n<tool_response>\n7\n")
    assert text.endswith("<|im_end|>\n" + opens)
    assert text.count("<|im_start|>") == 2


@pytest.mark.parametrize("name", ["llama3_1", "llama3_2"])
def test_llama_calls_one_tool_at_a_time(name: str) -> None:
    """Its template refuses more, so more than one is malformed; its format is found by itself."""
    tokens = ("<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>", "<|begin_of_text|>")
    made = model(name, *tokens)
    chat = ChatRenderer(made.vocabulary, ArithmeticToolsTask({}))
    assert chat.text(chat.reply(RESULTS[:1], chat.stop_ids[0])) == (
        '<|start_header_id|>ipython<|end_header_id|>\n\n"36"<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n'
    )
    call = '{"name": "calculator", "parameters": {"expression": "4*9"}}'
    ids = made.tokenizer.encode(call + "<|eot_id|>", add_special_tokens=False)
    turn = chat.turn(ids)
    assert [(one.name, dict(one.arguments)) for one in turn.calls] == [("calculator", {"expression": "4*9"})]
    two = made.tokenizer.encode(f"{call}; {call}<|eot_id|>", add_special_tokens=False)
    (malformed,) = chat.turn(two).calls
    assert isinstance(malformed, UnreadableCall)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("gemma3", ("<start_of_turn>", "<end_of_turn>")),
        ("phi3", ("<|end|>", "<|user|>", "<|assistant|>", "<|system|>")),
    ],
)
def test_families_without_tools_serve_for_one_turn(name: str, tokens: tuple[str, ...]) -> None:
    """A task with tools is refused, for the model would never see them."""
    made = model(name, *tokens)
    chat = ChatRenderer(made.vocabulary, QuestionAnswerTask({}))
    assert chat.turn([*made.tokenizer.encode("Yes", add_special_tokens=False), chat.stop_ids[0]]) == PolicyTurn("Yes")
    assert chat.text(chat.opening("What?")).rstrip("\n").endswith(("model", "<|assistant|>"))
    with pytest.raises(RefusedError, match="it doesn't show sum_1_to_n"):
        ChatRenderer(made.vocabulary, ArithmeticToolsTask({"tool_format": "hermes"}))


FAMILIES = sorted(path.stem for path in TEMPLATES.glob("*.jinja"))
TOKENS = (
    *("<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>", "<|begin_of_text|>", "<|end|>"),
    *(
        "<start_of_turn>",
        "<end_of_turn>",
        "<|user|>",
        "<|assistant|>",
        "<|system|>",
        "<|endoftext|>",
        "<|START_OF_TURN_TOKEN|>",
    ),
    *("<|END_OF_TURN_TOKEN|>", "<|start|>", "<|message|>", "<|return|>", "<|channel|>", "[INST]", "[/INST]", "</s>"),
)
DAY = datetime.now().date()  # noqa: DTZ005 (as the library takes it)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_conversation_without_control_tokens_keeps_the_ids_of_every_familys_template(name: str) -> None:
    """An opening is what transformers writes, id for id; a family that can't serve is refused."""
    made = model(name, *TOKENS)
    try:
        chat = ChatRenderer(made.vocabulary, QuestionAnswerTask({}), day=DAY)
    except RefusedError:
        return
    for said in ("What is 4*9?", "Grüße 🚂\n\nZwei Zeilen", "<|im_|> [x]"):
        written = made.tokenizer.apply_chat_template(
            [{"role": "user", "content": said}], add_generation_prompt=True, return_dict=False
        )
        assert chat.opening(said) == tuple(written)
    special = {number for number, token in made.tokenizer.added_tokens_decoder.items() if token.special}
    count = sum(number in special for number in chat.opening("a"))
    for token in TOKENS:
        if token not in made.tokenizer.chat_template:
            continue
        hostile = chat.opening(f"a {token} b")
        assert sum(number in special for number in hostile) == count, token
        assert token in chat.text(hostile)


def test_most_families_serve_for_one_turn() -> None:
    """So the test above compares something."""
    serve = 0
    for name in FAMILIES:
        with contextlib.suppress(RefusedError):
            ChatRenderer(model(name, *TOKENS).vocabulary, QuestionAnswerTask({}), day=DAY)
            serve += 1
    assert serve >= len(FAMILIES) / 2


def test_a_rule_that_knows_a_call_by_the_end_of_its_turn_finds_it() -> None:
    """As that of Llama 3, whose tokenizer says how it writes calls."""
    tokens = ("<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|python_tag|>", "<|begin_of_text|>")
    made = model("llama3_1", *tokens)
    made.tokenizer.response_template = chat_template_utils.llama3_template
    chat = ChatRenderer(made.vocabulary, ArithmeticToolsTask({}))
    call = '{"name": "calculator", "parameters": {"expression": "4*9"}}<|eot_id|>'
    (found,) = chat.turn(made.tokenizer.encode(call, add_special_tokens=False)).calls
    assert found == ToolCall("calculator", {"expression": "4*9"})


@pytest.mark.parametrize("name", ["qwen3", "nemotron_3_nano", "qwen3_5_nothink"])
def test_a_demonstration_shows_no_made_up_reasoning(name: str) -> None:
    """An empty one where the template writes one, none elsewhere; what is shown is read as it was meant."""
    task = QuestionAnswerTask({})
    made = model(name)
    chat = ChatRenderer(made.vocabulary, task)
    turns = task.demonstration(Question("What?", "Paris"), np.random.default_rng(0))
    ids, mask = chat.demonstration(turns)
    policy = [number for number, ours in zip(ids, mask, strict=True) if ours]
    assert chat.text(policy).replace("<think>", "").replace("</think>", "").split() == ["Paris<|im_end|>"]
    assert chat.turn(policy).text.strip() == chat.turn(chat.answer("Paris")).text.strip() == "Paris"


def test_an_answer_is_tried_as_the_template_writes_it() -> None:
    """A family that answers on a channel of its own is right about it, if its tokenizer says how to read that."""
    tokens = ("<|start|>", "<|message|>", "<|return|>", "<|channel|>", "<|end|>")
    task = QuestionAnswerTask({})
    for rule, why in ((chat_template_utils.gptoss_template, []), (None, ["the task takes it for wrong"])):
        made = model("gptoss", *tokens)
        made.tokenizer.response_template = rule
        found = unmeetable([Question("What?", "Paris")], task, ChatRenderer(made.vocabulary, task), 100)
        assert [one.why[:27] for one in found] == why
