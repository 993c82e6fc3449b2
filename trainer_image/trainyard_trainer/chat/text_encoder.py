"""Encodes texts; a control token counts only if the chat template wrote it, not if it is in the data.

Place in the data's way: station 5, below the renderers and `template`. A question, an option or a tool's result that
spells `<|im_end|>` would end the turn if it were read as the token of that name: a person who writes to the agent could
speak for it. So control tokens in data are text, unless the manifest says otherwise; transformers marks and encodes
them. A text that holds none is encoded as the tokenizer does it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from transformers.utils.chat_template_utils import encode_marked_chat, mark_control_tokens

from trainyard_api.task import SpecialTokens
from trainyard_trainer.chat.vocabulary import Vocabulary
from trainyard_trainer.errors import TrainerError
from trainyard_trainer.readable import is_writable, one_line

_MARK: Final = str(mark_control_tokens("x", re.compile("x")))
_MARKED: Final = re.compile(f"{_MARK[0]}[^{_MARK[0]}{_MARK[-1]}]*{_MARK[-1]}")
"""A control token as the library marks it."""


class UnwritableError(TrainerError, ValueError):
    """A text has no ids that the model can read; the error's text says why."""


class TextEncoder:
    """Encodes texts of the template and texts of data with a model's tokenizer.

    Args:
        vocabulary: the model's tokenizer, and how many ids it has embeddings for.
        special_tokens: what special tokens in data are read as.
        template: the chat template; added tokens that occur in it are control tokens too.
    """

    def __init__(
        self, vocabulary: Vocabulary, special_tokens: SpecialTokens = SpecialTokens.TEXT, template: str = ""
    ) -> None:
        self._tokenizer: Any = vocabulary.tokenizer
        self.embeddings: int = vocabulary.size
        added = self._tokenizer.added_tokens_decoder.values()
        special = {token.content for token in added if token.special} | set(self._tokenizer.all_special_tokens)
        in_template = {token.content for token in added if token.content in template and not token.content.isspace()}
        self._policy_may_not = _any_of(special) if special_tokens is SpecialTokens.TEXT else _any_of(())
        self._others_may_not = (
            _any_of(special | in_template) if special_tokens is SpecialTokens.TEXT else self._policy_may_not
        )

    def guard(self, value: Any, *, by_policy: bool = False) -> Any:
        """Marks the control tokens in a text of data, or in a map or list of such texts, as text.

        Args:
            value: the text, map or list; keys of maps stay as they are.
            by_policy: whether the policy says it: it may write tags of reasoning and tool calls.
        """
        return mark_control_tokens(value, self._policy_may_not if by_policy else self._others_may_not)

    def control_token(self, text: str) -> str | None:
        """Finds the first control token that a text of data spells and that is read as text; None without any."""
        found = self._others_may_not.search(text)
        return None if found is None else found[0]

    def ids(self, text: str) -> tuple[int, ...]:
        """Encodes a text in which control tokens are tokens, except those that `guard` has marked.

        Raises:
            UnwritableError: the text isn't one, or the model has no embedding for one of its tokens.
        """
        if not is_writable(text):
            raise UnwritableError("half of a surrogate pair is no text that a tokenizer can write")
        try:
            marked = _MARK[0] in text or _MARK[-1] in text
            found = (
                encode_marked_chat(self._tokenizer, text)
                if marked
                else self._tokenizer.encode(text, add_special_tokens=False)
            )
        except Exception as error:
            said = f"{type(error).__name__}: {one_line(str(error)[:200])}"
            raise UnwritableError(f"the tokenizer can't write it; {said}") from error
        if found and max(found) >= self.embeddings:
            token = self._tokenizer.convert_ids_to_tokens(max(found))
            raise UnwritableError(
                f"the token {token!r} has the id {max(found)}, but the model has embeddings for ids below "
                f"{self.embeddings} only"
            )
        return tuple(found)

    def data(self, text: str) -> tuple[int, ...]:
        """Encodes a text of data.

        Raises:
            UnwritableError: see `ids`.
        """
        return self.ids(self.guard(text))

    def text(self, token_ids: Sequence[int]) -> str:
        """Decodes token ids, special tokens included."""
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)


def unmarked(text: str) -> str:
    """Removes the marks from a guarded text."""
    return str(mark_control_tokens(text, _any_of(())))


def covered(text: str) -> str:
    """Replaces each marked token of a guarded text by NULs, so that only the template's own text is left."""
    return _MARKED.sub(lambda found: "\x00" * len(found[0]), text)


def _any_of(texts: Sequence[str] | set[str] | tuple[()]) -> re.Pattern[str]:
    """Compiles a pattern for any of these texts, the longest first; it matches nothing where there are none."""
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
