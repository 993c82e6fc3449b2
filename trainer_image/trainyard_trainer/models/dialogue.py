"""What is said, as the ids that a model reads, and what it wrote, as a turn that an environment understands.

Place in the data's way: station 5, between the environments, which know texts and messages, and the engine, which
knows ids. Only prompts and replies are ever turned into ids: what the policy wrote stays the ids that were sampled. It
samples nothing and keeps nothing of a conversation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from trainyard_trainer.models.chat import ChatDialogue
from trainyard_trainer.models.codec import Codec
from trainyard_trainer.models.loading import LoadedModel
from trainyard_trainer.seams import PolicyTurn, Said
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import Role


class Dialogue(Protocol):
    """One model's way of writing one task's conversations.

    Attributes:
        stop_ids: ids that end a policy turn; the sampled one belongs to the turn.
    """

    stop_ids: tuple[int, ...]

    def opening(self, said: Said) -> tuple[int, ...]:
        """Ids that open a conversation, up to where the policy writes its first turn.

        Raises:
            ValueError: `said` isn't of the kind that this dialogue can write.
        """

    def reply(self, said: Said, ended_by: int | None) -> tuple[int, ...]:
        """Ids to append after a policy turn, up to where the policy writes the next one.

        Args:
            said: what the environment answered.
            ended_by: the turn's last id if it is a stop id, None for a turn that was cut off.

        Raises:
            ValueError: `said` isn't of the kind that this dialogue can write.
        """

    def turn(self, token_ids: Sequence[int]) -> PolicyTurn:
        """A sampled turn as the environment gets it; never raises for anything that a policy may write."""

    def text(self, token_ids: Sequence[int]) -> str:
        """Token ids as text for people, special tokens included."""

    def demonstration(self, turns: Sequence[DemonstrationTurn]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """Ids of a whole conversation, as a rollout would put them together, and which of them the policy wrote."""


class TextDialogue:
    """Plain text in, plain text out; see `Dialogue`. Stop texts are part of what the policy says. The ids at which the
    model ends any text end its turns too, and are no part of their text.

    Args:
        loaded: the model with its tokenizer.
        task: says the alphabet and the texts that end a turn.

    Raises:
        RefusedError: MODEL_UNSUITABLE; the tokenizer can't write the task's texts, or a stop text isn't one token.
    """

    def __init__(self, loaded: LoadedModel, task: Task) -> None:
        self._codec = Codec(loaded, task.stop_texts)
        self._codec.require(task.alphabet)
        self._silent = frozenset(loaded.stop_ids) - frozenset(self._codec.stop_ids)
        self.stop_ids = (*self._codec.stop_ids, *sorted(self._silent))

    def opening(self, said: Said) -> tuple[int, ...]:
        """The text's ids, behind what the tokenizer puts before any text."""
        return self._codec.prompt(_plain(said))

    def reply(self, said: Said, ended_by: int | None) -> tuple[int, ...]:  # noqa: ARG002 (plain texts just follow)
        """The text's ids."""
        return self._codec.continuation(_plain(said))

    def turn(self, token_ids: Sequence[int]) -> PolicyTurn:
        """The text, the one that ends it included."""
        ended = len(token_ids) > 0 and token_ids[-1] in self._silent
        return PolicyTurn(self._codec.text(token_ids[:-1] if ended else token_ids))

    def text(self, token_ids: Sequence[int]) -> str:
        """Token ids as text for people, special tokens included."""
        return self._codec.text(token_ids)

    def demonstration(self, turns: Sequence[DemonstrationTurn]) -> tuple[tuple[int, ...], tuple[bool, ...]]:
        """All texts' ids, one after the other; the policy's are those of its turns."""
        token_ids: list[int] = []
        mask: list[bool] = []
        for turn in turns:
            ids = self.opening(turn.said) if turn.role is Role.PROMPT else self.reply(turn.said, None)
            token_ids += ids
            mask += [turn.role is Role.POLICY] * len(ids)
        return tuple(token_ids), tuple(mask)


def make_dialogue(loaded: LoadedModel, task: Task) -> Dialogue:
    """The dialogue that a task asks for, in this model's terms.

    Raises:
        RefusedError: MODEL_UNSUITABLE, INVALID_OPTION; the model can't have such a dialogue.
    """
    return ChatDialogue(loaded, task) if task.dialogue == "chat" else TextDialogue(loaded, task)


def _plain(said: Said) -> str:
    if not isinstance(said, str):
        raise ValueError(f"a task whose dialogue is text must say a str, not {type(said).__name__}")  # noqa: TRY004
    return said
