"""Questions and demonstrations of a task, which may be a user's code: what goes wrong in it is said with its place.

Place in the data's way: stations 4 and 5. Environments are guarded by `rollouts`, for they fail one conversation;
without a question or a demonstration there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from trainyard_api.termination import TerminationReason
from trainyard_trainer.environment import Question, is_said
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.readable import is_writable
from trainyard_trainer.tasks.task import DemonstrationTurn, Task
from trainyard_trainer.trajectory import Role
from trainyard_trainer.user_code import explain_method, read_attribute, type_name


def ask(task: Task, random: np.random.Generator) -> Question:
    """Asks the task to draw a question.

    Raises:
        RefusedError: ENVIRONMENT_FAILED; it raises, or gives no question.
    """
    found = _call(task, "question", lambda: task.question(random))
    if not isinstance(found, Question) or not isinstance(found.text, str) or not isinstance(found.expected, str):
        raise _failed(task, "question", f"must give a Question of two texts; it gave {type_name(found)}")
    if not is_writable(found.text) or not is_writable(found.expected):
        raise _failed(task, "question", f"gave half of a surrogate pair, which is no text: {ascii(found.text)[:200]}")
    return found


def show(task: Task, question: Question, random: np.random.Generator) -> tuple[DemonstrationTurn, ...]:
    """Asks the task how a question is answered.

    Raises:
        RefusedError: ENVIRONMENT_FAILED; the task raises, or gives no conversation.
    """
    found = _call(task, "demonstration", lambda: tuple(task.demonstration(question, random)))
    if not found or not all(map(_is_turn, found)):
        raise _failed(task, "demonstration", "must give DemonstrationTurns, each a str or a tuple of Messages of texts")
    return found


def right_answer(task: Task, question: Question) -> str | None:
    """Asks the task for the last words of a policy that knows the answer; None where it can't say.

    Raises:
        ValueError: no answer to this question can be judged.
        RefusedError: ENVIRONMENT_FAILED; the task raises something else, or gives no text.
    """
    method = _call(task, "right_answer", lambda: read_attribute(task, "right_answer"))
    if method is None:
        return None
    found = _call(task, "right_answer", lambda: method(question), passed=(RefusedError, ValueError))
    if not (found is None or isinstance(found, str)):
        raise _failed(task, "right_answer", f"must give a text or None; it gave {type_name(found)}")
    return found


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, DemonstrationTurn) and turn.role in set(Role) and is_said(turn.said)


def _call(
    task: Task, method: str, function: Callable[[], Any], passed: tuple[type[Exception], ...] = (RefusedError,)
) -> Any:
    try:
        return function()
    except passed:
        raise
    except BaseException as error:
        raise _failed(task, method, f"raised {explain_method(error, task, method)}") from error


def _failed(task: Task, method: str, what: str) -> RefusedError:
    return RefusedError(
        TerminationReason.ENVIRONMENT_FAILED,
        f"the method {method} of the task's class {what}",
        field_path="spec.task.name",
        value=type_name(task),
    )
