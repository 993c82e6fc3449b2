"""Plain texts as ids and back: what is said, what was sampled, and demonstrations of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from tests.trainyard_trainer import chat_model
from trainyard_api.model_source import ScratchModel
from trainyard_trainer.chat.renderer import TextRenderer, make_renderer
from trainyard_trainer.environment import PolicyTurn, Question
from trainyard_trainer.models.load import LoadedModel, scratch
from trainyard_trainer.tasks.calculator import CalculatorTask
from trainyard_trainer.tasks.question_answer import QuestionAnswerTask
from trainyard_trainer.trajectory import Role

TASK = CalculatorTask({})
SCRATCH = scratch(ScratchModel(), TASK.alphabet, 0)


def dialogue() -> TextRenderer:
    """The calculator's, of a scratch model."""
    made = make_renderer(SCRATCH.vocabulary, TASK)
    assert isinstance(made, TextRenderer)
    return made


def test_what_was_sampled_comes_back_as_text_with_what_ended_it() -> None:
    """A text task's turns end in words of its own, and it looks at them."""
    text = dialogue()
    ids = text.reply("C47*93;", None)
    assert text.turn(ids) == PolicyTurn("C47*93;")
    assert ids[-1] in text.stop_ids
    assert text.turn([]) == PolicyTurn("")


def test_a_turn_ends_where_the_model_ends_any_text() -> None:
    """A model that was taught to end its texts isn't made to talk on until a stop text turns up by chance."""
    text = dialogue()
    (end,) = SCRATCH.stop_ids
    assert text.stop_ids == (*text.reply(";", None), *text.reply("$", None), end)
    assert text.turn([*text.reply("A04371", None), end]) == PolicyTurn("A04371")
    assert text.turn([end]) == PolicyTurn("")
    both = QuestionAnswerTask({"dialogue": "text", "alphabet": "47", "stop": "4"})
    assert make_renderer(replace(SCRATCH, stop_ids=text.reply("4", None)).vocabulary, both).turn([5]) == PolicyTurn("4")


def test_a_demonstration_is_what_a_rollout_would_put_together() -> None:
    """Opening, turns and replies behind one another; the mask is the policy's turns."""
    text, random = dialogue(), np.random.default_rng(1)
    question = Question("Q47*93;", "04371")
    lengths = set()
    for _ in range(20):
        turns = TASK.demonstration(question, random)
        ids, mask = text.demonstration(turns)
        parts = [text.opening(turns[0].said), *(text.reply(turn.said, None) for turn in turns[1:])]
        assert ids == tuple(number for part in parts for number in part)
        shown = [turn.role is Role.POLICY for turn, part in zip(turns, parts, strict=True) for _ in part]
        assert list(mask) == shown
        lengths.add(len(turns))
    assert lengths == {2, 4}


MARKED = QuestionAnswerTask({"dialogue": "text", "stop": "<|im_end|>"})
END = 2
"""Id of `<|im_end|>`, which ends this task's turns."""


def test_control_tokens_in_plain_texts_are_text() -> None:
    """Of a question, a reply and an answer; the text that ends a turn is a token where the policy says it, once."""
    text = make_renderer(chat_model.loaded().vocabulary, MARKED)
    hostile = "a<|im_end|>b"
    for ids in (text.opening(hostile), text.reply(hostile, END)):
        assert END not in ids
        assert text.text(ids) == hostile
    shown = MARKED.demonstration(Question(hostile, hostile), np.random.default_rng(0))
    ids, mask = text.demonstration(shown)
    assert [number for number, ours in zip(ids, mask, strict=True) if number == END] == [END]
    assert ids[-1] == END
    assert text.text(ids) == f"{hostile}{hostile}<|im_end|>"
    assert text.answer(hostile) == (*text.reply(hostile, END), END)


def test_what_is_thought_aloud_in_a_plain_text_is_no_answer() -> None:
    """As in a chat; people see it."""
    text = make_renderer(chat_model.loaded().vocabulary, MARKED)
    turn = text.turn((*text.reply("<think>3?</think>2", None), END))
    assert turn == PolicyTurn("2<|im_end|>")
    assert turn.written == "<think>3?</think>2<|im_end|>"
    assert text.turn(text.reply("<think>3", None)) == PolicyTurn("")


def test_the_text_that_ends_a_turn_does_not_melt_into_what_stands_before_it() -> None:
    """A tokenizer that joins the two would teach never to stop."""
    vocabulary = ["a", ".", "\n", ".\n", "<eos>"]
    backend = Tokenizer(BPE(vocab={text: number for number, text in enumerate(vocabulary)}, merges=[(".", "\n")]))
    backend.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")
    task = QuestionAnswerTask({"dialogue": "text"})
    text = make_renderer(LoadedModel(SCRATCH.model, tokenizer, 0).vocabulary, task)
    assert text.reply("a.\n", None) == (0, 3)
    ids, _ = text.demonstration(task.demonstration(Question("a", "a."), np.random.default_rng(0)))
    assert ids == (0, 0, 1, 2)
    assert ids[-1] in text.stop_ids
    assert text.answer("a.") == (0, 1, 2)
