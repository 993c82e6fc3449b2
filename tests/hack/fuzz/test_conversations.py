"""What the fuzzers hold conversations to is what the ledgers can keep."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from hack.fuzz.conversations import kept, played
from hack.fuzz.environments import GOOD, ODD, FuzzTask, Odd
from hack.fuzz.kind import BrokenPromiseError
from hack.fuzz.models import text_model
from tests.trainyard_trainer.told import said, told
from trainyard_trainer.chat.renderer import make_renderer
from trainyard_trainer.trajectory import TrajectoryStatus

TRAJECTORY = replace(told(said()), total_reward=1.0)


def test_what_no_ledger_can_hold_is_found() -> None:
    """A number that is none; an odd text isn't one, for the ledgers write what can be read of it."""
    kept([TRAJECTORY, replace(TRAJECTORY, error="nul \x00 \ud83d")])
    with pytest.raises(BrokenPromiseError, match=r"hold no inf|has no Infinity"):
        kept([replace(TRAJECTORY, duration_seconds=math.inf)])


def test_a_script_is_said_turn_by_turn_and_its_last_turn_again() -> None:
    """By the real rollouts: each question has its trajectory, in their order."""
    task = FuzzTask(Odd("text", "2+2=", ()))
    renderer = make_renderer(text_model(task.alphabet).vocabulary, task)
    turn = renderer.answer("4")
    found, good = played(task, renderer, [ODD, GOOD], {0: [turn], 1: [turn]})
    assert (found.question, good.question) == ("odd", "good")
    assert (good.status, good.success) == (TrajectoryStatus.OK, True)
