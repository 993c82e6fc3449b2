"""What is said, as the ids that a model reads, and what it wrote, as a turn that an environment understands.

Place in the data's way: station 5, between the environments, which know texts and messages, and the engine, which
knows ids. Only prompts and replies are ever turned into ids: what the policy wrote stays the ids that were sampled. It
samples nothing and keeps nothing of a conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from trainyard_api.task import SpecialTokens
from trainyard_trainer.chat.chat_renderer import ChatRenderer
from trainyard_trainer.chat.plain_text import PlainText
from trainyard_trainer.chat.reasoning import THINK, without_reasoning
from trainyard_trainer.chat.vocabulary import Vocabulary
from trainyard_trainer.environment import PolicyTurn, Said
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import Role


class Renderer(Protocol):
    """Writes one task's conversations in one model's way.

    Attributes:
        stop_ids: ids that end a policy turn; the sampled one belongs to the turn.
    """

    stop_ids: tuple[int, ...]

    def opening(self, said: Said) -> tuple[int, ...]:
        """Returns the ids that open a conversation, up to where the policy writes its first turn.

        Raises:
            ValueError: `said` isn't of the kind that this renderer can write; UnwritableError where it has no ids.
        """

    def reply(self, said: Said, ended_by: int | None) -> tuple[int, ...]:
        """Returns the ids to append after a policy turn, up to where the policy writes the next one.

        Args:
            said: what the environment answered.
            ended_by: the turn's last id if it is a stop id, None for a turn that was cut off.

        Raises:
            ValueError: as above.
        """

    def turn(self, token_ids: Sequence[int]) -> PolicyTurn:
        """Reads a sampled turn for the environment; never raises, whatever the policy wrote."""

    def text(self, token_ids: Sequence[int]) -> str:
        """Decodes token ids for people, special tokens included."""

    def control_token(self, text: str) -> str | None:
        """Finds the first control token that a text of data spells and that is read as text; None without any."""

    def answer(self, text: str) -> tuple[int, ...]:
        """Returns the ids that a policy would sample to say this text in its last turn, the turn's end included.

        Raises:
            UnwritableError: the text has no ids.
        """

    def demonstration(self, turns: Sequence[DemonstrationTurn]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Returns the ids of a whole conversation as a rollout joins them, and which of them are the policy's.

        Raises:
            UnwritableError: a text in it has no ids.
        """


class TextRenderer:
    """Turns plain text into ids and back; see `Renderer`.

    Stop texts are part of what the policy says. The ids at which the model ends any text end its turns too, and are no
    part of their text.

    Args:
        vocabulary: the model's tokenizer and ids.
        task: says the alphabet and the texts that end a turn.
        special_tokens: what special tokens in data are read as.

    Raises:
        RefusedError: MODEL_UNSUITABLE; the tokenizer can't write the task's texts, or a stop text isn't one token.
    """

    def __init__(self, vocabulary: Vocabulary, task: Task, special_tokens: SpecialTokens = SpecialTokens.TEXT) -> None:
        self._plain = PlainText(vocabulary, task.stop_texts, special_tokens)
        self._stop_texts = task.stop_texts
        self._plain.require(task.alphabet)
        self._silent = frozenset(vocabulary.stop_ids) - frozenset(self._plain.stop_ids)
        self.stop_ids = (*self._plain.stop_ids, *sorted(self._silent))

    def opening(self, said: Said) -> tuple[int, ...]:
        """Encodes the text, behind what the tokenizer puts before any text."""
        return self._plain.prompt(_plain(said))

    def reply(self, said: Said, ended_by: int | None) -> tuple[int, ...]:  # noqa: ARG002 (plain texts just follow)
        """Encodes the text."""
        return self._plain.continuation(_plain(said))

    def turn(self, token_ids: Sequence[int]) -> PolicyTurn:
        """Reads the text without its reasoning, the text that ends it included."""
        ended = len(token_ids) > 0 and token_ids[-1] in self._silent
        written = self._plain.text(token_ids[:-1] if ended else token_ids)
        return PolicyTurn(without_reasoning(written, THINK, begun=False), written=written)

    def text(self, token_ids: Sequence[int]) -> str:
        """Decodes token ids for people, special tokens included."""
        return self._plain.text(token_ids)

    def control_token(self, text: str) -> str | None:
        """Finds the first control token that a text of data spells and that is read as text; None without any."""
        return self._plain.control_token(text)

    def answer(self, text: str) -> tuple[int, ...]:
        """Encodes the text and the first text that ends a turn."""
        return self._policy_turn(text + "".join(self._stop_texts[:1])) or self.stop_ids[:1]

    def demonstration(self, turns: Sequence[DemonstrationTurn]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Joins the ids of all texts in order; those of its turns are the policy's."""
        token_ids: list[int] = []
        mask: list[bool] = []
        for turn in turns:
            if turn.role is Role.POLICY:
                ids = self._policy_turn(_plain(turn.said))
            else:
                ids = self.opening(turn.said) if turn.role is Role.PROMPT else self.reply(turn.said, None)
            token_ids += ids
            mask += [turn.role is Role.POLICY] * len(ids)
        return tuple(token_ids), tuple(mask)

    def _policy_turn(self, text: str) -> tuple[int, ...]:
        """Encodes what a policy says; the text that ends its turn may be a special token."""
        end = next((stop for stop in self._stop_texts if stop and text.endswith(stop)), "")
        return self._plain.policy_turn(text.removesuffix(end), end)


def make_renderer(
    vocabulary: Vocabulary,
    task: Task,
    special_tokens: SpecialTokens = SpecialTokens.TEXT,
    day: date | None = None,
) -> Renderer:
    """Makes the renderer that a task asks for, with this model's vocabulary.

    Args:
        vocabulary: the model's tokenizer and ids.
        task: what is talked about.
        special_tokens: what special tokens in data are read as.
        day: what a chat template that writes the date takes it from. Default: today.

    Raises:
        RefusedError: MODEL_UNSUITABLE, INVALID_OPTION; the model can't write such conversations.
    """
    if task.dialogue == "chat":
        return ChatRenderer(vocabulary, task, special_tokens, day)
    return TextRenderer(vocabulary, task, special_tokens)


def _plain(said: Said) -> str:
    if not isinstance(said, str):
        raise ValueError(f"a task whose dialogue is text must say a str, not {type(said).__name__}")  # noqa: TRY004
    return said
