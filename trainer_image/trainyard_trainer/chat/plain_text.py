"""Texts to token ids and back, and whether a tokenizer can write a task's texts at all.

Place in the data's way: station 5. Only prompts and tool results are ever turned into ids; what the policy wrote stays
the ids that were sampled, its text is for the environment and for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainyard_api.task import SpecialTokens
from trainyard_api.termination import TerminationReason
from trainyard_trainer.chat.text_encoder import TextEncoder, UnwritableError
from trainyard_trainer.chat.vocabulary import Vocabulary
from trainyard_trainer.errors import RefusedError


class PlainText:
    """Encodes and decodes plain texts with a model's tokenizer.

    Args:
        vocabulary: the model's tokenizer and ids.
        stop_texts: texts that end a policy turn.
        special_tokens: what special tokens in data are read as.

    Raises:
        RefusedError: MODEL_UNSUITABLE where a stop text isn't exactly one token.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        stop_texts: Sequence[str],
        special_tokens: SpecialTokens = SpecialTokens.TEXT,
    ) -> None:
        self._tokenizer: Any = vocabulary.tokenizer
        self._encoder = TextEncoder(vocabulary, special_tokens)
        self._opening = self._opening_ids()
        if self._opening and max(self._opening) >= self._encoder.embeddings:
            rule = f"must have embeddings for what its tokenizer puts before a text; it has {self._encoder.embeddings}"
            raise _unsuitable(rule, str(max(self._opening)))
        self.stop_ids = tuple(self._single(text) for text in stop_texts)

    def prompt(self, text: str) -> tuple[int, ...]:
        """Encodes the text that opens a conversation, behind what the tokenizer puts before any text.

        Raises:
            UnwritableError: the text has no ids.
        """
        return self._opening + self.continuation(text)

    def continuation(self, text: str) -> tuple[int, ...]:
        """Encodes a text inside a conversation.

        Raises:
            UnwritableError: the text has no ids.
        """
        return self._encoder.data(text)

    def control_token(self, text: str) -> str | None:
        """Finds the first control token that a text of data spells and that is read as text; None without any."""
        return self._encoder.control_token(text)

    def policy_turn(self, text: str, end: str) -> tuple[int, ...]:
        """Encodes a policy's turn and its end apart, so that they can't merge into a token that ends nothing.

        Raises:
            UnwritableError: the text has no ids.
        """
        return self._encoder.data(text) + ((self._single(end),) if end else ())

    def text(self, token_ids: Sequence[int]) -> str:
        """Decodes token ids, special tokens included."""
        return self._encoder.text(token_ids)

    def require(self, alphabet: str) -> None:
        """Refuses a tokenizer that can't encode every character of `alphabet` and decode it again.

        Raises:
            RefusedError: MODEL_UNSUITABLE, with the characters that it can't.
        """
        lost = [char for char in alphabet if not self._writes(char)]
        if lost:
            raise _unsuitable("its tokenizer must be able to write the task's alphabet", "".join(lost))

    def _writes(self, char: str) -> bool:
        try:
            ids = self.continuation(char)
        except UnwritableError:
            return False
        return bool(ids) and self.text(ids).strip() == char.strip()

    def _single(self, text: str) -> int:
        try:
            ids = self._encoder.ids(text)
        except UnwritableError as error:
            raise _unsuitable(f"its tokenizer must have a single token for the end of a turn; {error}", text) from error
        if len(ids) != 1:
            raise _unsuitable(f"its tokenizer must have a single token for the end of a turn, not {len(ids)}", text)
        return ids[0]

    def _opening_ids(self) -> tuple[int, ...]:
        """Returns the special tokens before a text, without those after it, which would end the conversation."""
        plain = list(self._tokenizer.encode("0", add_special_tokens=False))
        whole = list(self._tokenizer.encode("0", add_special_tokens=True))
        starts = [at for at in range(len(whole)) if whole[at : at + len(plain)] == plain]
        return tuple(whole[: starts[0]]) if plain and starts else ()


def _unsuitable(rule: str, value: str) -> RefusedError:
    return RefusedError(TerminationReason.MODEL_UNSUITABLE, rule, field_path="spec.model", value=value)
