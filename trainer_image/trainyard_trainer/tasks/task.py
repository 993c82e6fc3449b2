"""What the loop asks of a task.

Place in the data's way: station 5. A protocol, for built-in tasks and those of a user's image alike; no code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from trainyard_trainer.seams import Environment, Question
from trainyard_trainer.trajectory import Role


@dataclass(frozen=True, slots=True)
class DemonstrationTurn:
    """A text and who writes it; the loss of supervised fine-tuning counts the policy's alone."""

    role: Role
    text: str


class Task(Protocol):
    """A kind of question, asked in an environment.

    The class is called with the manifest's options, a mapping of strings: `Task(options)`. Names that aren't in
    `option_names` have been refused before; for a value that it can't use, it raises RefusedError with INVALID_OPTION.

    Attributes:
        option_names: the options it knows.
        alphabet: every character of its texts, each once; the vocabulary of a scratch model.
        stop_texts: texts that end a policy turn; each must be a single token.
        max_turn_tokens: tokens after which a policy turn is cut off and its trajectory ends, truncated.
    """

    option_names: ClassVar[tuple[str, ...]]
    alphabet: str
    stop_texts: tuple[str, ...]
    max_turn_tokens: int

    def question(self, random: np.random.Generator) -> Question:
        """A random question, drawn from `random` alone. Which ones are held out is decided by others."""

    def demonstration(self, question: Question, random: np.random.Generator) -> tuple[DemonstrationTurn, ...]:
        """A conversation about `question`, from the prompt to the last turn, drawn from `random` alone."""

    def environment(self) -> Environment:
        """A new environment, for one conversation."""
