"""Conversations that a model's chat template writes.

Place in the data's way: station 5. Implements `chat.renderer.Renderer`. The template writes openings and replies alone:
what the policy sampled is never written again, so its ids stay what they were. That is right only for a template whose
text doesn't change when a conversation goes on; one that does is refused at load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from trainyard_api.task import SpecialTokens
from trainyard_api.termination import TerminationReason
from trainyard_trainer.chat.template import ChatTemplate, TemplateChangesError, TemplateFailedError
from trainyard_trainer.chat.tool_calls import turn_reader
from trainyard_trainer.chat.vocabulary import Vocabulary
from trainyard_trainer.environment import Message, PolicyTurn, Said, UnreadableCall
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import Role


class ChatRenderer:
    """Writes messages by the model's chat template and reads them back; see `chat.renderer.Renderer`. What ends a turn
    is no part of its text.

    Args:
        vocabulary: the model's tokenizer and ids.
        task: says the tools and, if it must, how calls are written.
        special_tokens: what special tokens in data are read as.
        day: what a template that writes the date takes it from.

    Raises:
        RefusedError: MODEL_UNSUITABLE; no chat template, one that can't do what the task needs, one that writes earlier
            turns otherwise when a conversation goes on, or no known way to write calls. INVALID_OPTION.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        task: Task,
        special_tokens: SpecialTokens = SpecialTokens.TEXT,
        day: date | None = None,
    ) -> None:
        self._template = ChatTemplate(vocabulary, task.tools, special_tokens, day or datetime.now(UTC).date())
        self._encoder = self._template.encoder
        self.stop_ids = self._template.stop_ids
        self._closing = self._template.marks.closing if self._template.reasoning_begun else ""
        self._read = turn_reader(vocabulary.tokenizer, self._template, task.tools, task.tool_format)

    def opening(self, said: Said) -> tuple[int, ...]:
        """Returns the messages and the start of the policy's turn, as the template writes them."""
        return self._template.ids(_messages(said), open_turn=True)

    def reply(self, said: Said, ended_by: int | None) -> tuple[int, ...]:
        """Returns what the template writes between two policy turns, and first the end of a turn that was cut off."""
        end, rest = self._template.between(_messages(said))
        return rest if ended_by is not None else (end, *rest)

    def turn(self, token_ids: Sequence[int]) -> PolicyTurn:
        """Reads the text before the stop id, and the tool calls in it."""
        ended = len(token_ids) > 0 and token_ids[-1] in self.stop_ids
        written = self.text(token_ids[:-1] if ended else token_ids)
        end = self.text(token_ids[-1:]) if ended else ""
        turn = replace(self._read(written, end), written=written)
        if len(turn.calls) > 1 and not self._template.several_calls:
            return replace(turn, calls=(UnreadableCall(turn.text, "only one tool may be called at a time"),))
        return turn

    def text(self, token_ids: Sequence[int]) -> str:
        """Decodes token ids for people, special tokens included."""
        return self._encoder.text(token_ids)

    def control_token(self, text: str) -> str | None:
        """Finds the first control token that a text of data spells and that is read as text; None without any."""
        return self._encoder.control_token(text)

    def answer(self, text: str) -> tuple[int, ...]:
        """Returns the ids of a last turn as the template writes it; where it can't, the text's ids and the turn's
        end.
        """
        try:
            return self._template.policy_turn(Message("assistant", text))
        except (TemplateChangesError, TemplateFailedError):
            pass
        return (*self._encoder.ids(self._closing + self._encoder.guard(text, by_policy=True)), self.stop_ids[0])

    def demonstration(self, turns: Sequence[DemonstrationTurn]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Joins openings and replies as a rollout does with the policy's turns as the template writes them.

        Raises:
            RefusedError: MODEL_UNSUITABLE; the template writes a turn otherwise than it opens one, or not at all.
            UnwritableError: a text in it has no ids.
        """
        token_ids: list[int] = []
        mask: list[bool] = []
        for turn in turns:
            messages = _messages(turn.said)
            try:
                if turn.role is Role.PROMPT:
                    ids = self.opening(messages)
                elif turn.role is Role.TOOL:
                    ids = self.reply(messages, token_ids[-1] if token_ids else None)
                else:
                    ids = self._template.policy_turn(messages[0])
            except (TemplateChangesError, TemplateFailedError) as error:
                raise RefusedError(
                    TerminationReason.MODEL_UNSUITABLE,
                    f"must have a chat template that writes the task's demonstrations; {error}",
                    field_path="spec.model",
                ) from error
            token_ids += ids
            mask += [turn.role is Role.POLICY] * len(ids)
        return tuple(token_ids), tuple(mask)


def _messages(said: Said) -> tuple[Message, ...]:
    """Returns what is said as messages; a plain text becomes a user's."""
    return (Message("user", said),) if isinstance(said, str) else tuple(said)
