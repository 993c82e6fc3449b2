"""What the loop asks of a task.

Place in the data's way: station 5. A protocol with defaults, for built-in tasks, those of a user's image and those of a
user's module alike; nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from trainyard_trainer.environment import Environment, Question, Said
from trainyard_trainer.trajectory import Role


@dataclass(frozen=True, slots=True)
class DemonstrationTurn:
    """Says what is said in one turn, and by whom; supervised fine-tuning counts the policy's alone in its loss.

    In a chat, a policy turn is one assistant message, and what a tool turn says is what a reply would be.
    """

    role: Role
    said: Said

    def __post_init__(self) -> None:
        """Takes a role as text too; what is none is refused where a demonstration is looked at as a whole."""
        if isinstance(self.role, str) and self.role in list(Role):
            object.__setattr__(self, "role", Role(self.role))


class Task(Protocol):
    """Asks questions of one kind, each in an environment.

    A class that derives from this one inherits the defaults below. It is called with the manifest's options, a mapping
    of strings: `MyTask(options)`. Names that aren't in `option_names` have been refused before; for a value that it
    can't use, it raises RefusedError with INVALID_OPTION.

    Attributes:
        option_names: the options it knows.
        dialogue: `text`, where environments say plain text, or `chat`, where they say messages that the model's chat
            template writes.
        tools: JSON schemas of a chat's tools, as chat templates take them; an environment answers calls of them.
        tool_format: how a chat's tool calls are written, for a model that doesn't say it itself; None finds it out.
        alphabet: every character of a text dialogue, each once; the vocabulary of a scratch model.
        stop_texts: texts that end a policy turn of a text dialogue, each a single token; the ids at which the model
            ends any text end one too. A chat's turns end as its template ends them.
        max_turn_tokens: tokens after which a policy turn is cut off and its trajectory ends, truncated.
        accepts_data: whether it can ask questions that it hasn't drawn itself, as those of a file.
    """

    option_names: ClassVar[tuple[str, ...]] = ()
    dialogue: Literal["text", "chat"] = "text"
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_format: str | None = None
    alphabet: str = ""
    stop_texts: tuple[str, ...] = ()
    max_turn_tokens: int = 256
    accepts_data: bool = False

    def question(self, random: np.random.Generator) -> Question:
        """Draws a question from `random` alone; which ones are held out is decided elsewhere."""

    def demonstration(self, question: Question, random: np.random.Generator) -> tuple[DemonstrationTurn, ...]:
        """Makes a conversation about `question`, from the prompt to the last turn, drawn from `random` alone."""

    def environment(self) -> Environment:
        """Makes a new environment, for one conversation."""

    def right_answer(self, question: Question) -> str | None:  # noqa: ARG002 (by default a task can't say)
        """Returns the last words of a policy that knows the answer; None where the task can't say.

        Raises:
            ValueError: no answer to this question can be judged; the text says what its expected outcome must be.
        """
        return None
