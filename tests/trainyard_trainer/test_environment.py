"""What a user's code may say is looked at as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from trainyard_trainer.environment import Message, ToolCall, is_said

CALL = ToolCall("f", {})


@pytest.mark.parametrize(
    "said",
    [
        "", "a", (Message("user", "a"),), (Message("system", ""), Message("tool", "b", name="f")),
        (Message("assistant", "", tool_calls=(CALL, CALL)),),
    ],
)  # fmt: skip
def test_texts_and_messages_of_texts_are_said(said: Any) -> None:
    """Of every role, with names and calls."""
    assert is_said(said)


@pytest.mark.parametrize(
    "said",
    [
        None, 7, b"a", (), ["a"], ("a",), [Message("user", "a")], (Message("user", None),), (Message("user", 7),),
        (Message("human", "a"),), (Message(["user"], "a"),), (Message("tool", "a", name=7),),
        (Message("assistant", "", tool_calls=[CALL]),), (Message("assistant", "", tool_calls=("f",)),),
        (Message("assistant", "", tool_calls=(ToolCall(7, {}),)),),
        (Message("assistant", "", tool_calls=(ToolCall("f", "x"),)),), (Message("user", "a"), None),
    ],
)  # fmt: skip
def test_nothing_else_is(said: Any) -> None:
    """However deep what is wrong lies."""
    assert not is_said(said)
