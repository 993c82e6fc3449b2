"""A conversation only grows, and has no trajectory before it has ended."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from trainyard_trainer.environment import Observation, PolicyTurn, Question, ToolCall, UnreadableCall
from trainyard_trainer.rollouts.conversation import Conversation
from trainyard_trainer.sampling.engine import Generation
from trainyard_trainer.trajectory import CallOutcome, FinishReason, Role, Sampling, TrajectoryId, TrajectoryStatus

SAMPLING = Sampling(1.0, 8, (9,))


def conversation() -> Conversation:
    """A new one, about a sum."""
    return Conversation(TrajectoryId("run-1", 0, 1, 2), "calculator", Question("Q10+10;", "00020"))


def generation(*versions: int, support: tuple[tuple[int, ...] | None, ...] | None = None) -> Generation:
    """A turn whose tokens these versions sampled."""
    count = len(versions)
    return Generation((4,) * count, (-0.5,) * count, FinishReason.STOP, versions, support)


def say(chosen: Conversation, said: Generation, turn: PolicyTurn, observation: Observation | None = None) -> None:
    """Let the policy say something, just now."""
    chosen.say(said, turn, SAMPLING, datetime.now(UTC), observation)


def test_a_trajectory_exists_only_of_an_ended_conversation() -> None:
    """Until then there is no status to report."""
    chosen = conversation()
    chosen.hear(Role.PROMPT, "Q10+10;", (1, 2, 3))
    assert (chosen.unread, len(chosen)) == ((1, 2, 3), 3)
    with pytest.raises(ValueError, match="hasn't ended"):
        chosen.trajectory()
    chosen.end(TrajectoryStatus.CANCELLED)
    found = chosen.trajectory()
    assert (found.status, found.policy_tokens, found.question, found.expected) == (
        TrajectoryStatus.CANCELLED,
        0,
        "Q10+10;",
        "00020",
    )
    assert found.segments[0].policy_versions == (0, 0, 0)


def test_what_was_heard_has_the_version_that_read_it() -> None:
    """A prompt that of its turn's first token, a tool's result that of the next turn's."""
    chosen = conversation()
    chosen.hear(Role.PROMPT, "Q", (1, 2))
    say(chosen, generation(5, 6), PolicyTurn("C"))
    chosen.hear(Role.TOOL, "R", (3,))
    say(chosen, generation(8), PolicyTurn("A"))
    chosen.end(TrajectoryStatus.OK)
    assert chosen.trajectory().segments[0].policy_versions == (5, 5, 5, 6, 8, 8)


def test_a_support_is_kept_in_step_with_the_tokens() -> None:
    """None for what was heard; nothing at all where no token was cut."""
    chosen = conversation()
    chosen.hear(Role.PROMPT, "Q", (1, 2))
    say(chosen, generation(0), PolicyTurn("C"))
    assert chosen_support(chosen) is None
    say(chosen, generation(0, 0, support=((3, 4), None)), PolicyTurn("A"))
    assert chosen_support(chosen) == (None, None, None, (3, 4), None)


def chosen_support(chosen: Conversation) -> object:
    """The support of what was said so far."""
    chosen.end(TrajectoryStatus.OK)
    return chosen.trajectory().segments[0].support


def test_an_empty_turn_is_a_turn() -> None:
    """A policy that says nothing takes its turn; the trajectory has no policy tokens."""
    chosen = conversation()
    chosen.hear(Role.PROMPT, "Q", (1, 2))
    say(chosen, generation(), PolicyTurn(""))
    chosen.end(TrajectoryStatus.OK)
    found = chosen.trajectory()
    assert (found.policy_tokens, chosen.policy_turns) == (0, 1)
    assert [(turn.role, turn.start, turn.end) for turn in found.turns] == [(Role.PROMPT, 0, 2), (Role.POLICY, 2, 2)]


GOOD, BAD = CallOutcome("f(1)", "1", ok=True), CallOutcome("g(x)", "error: no x", ok=False)
BROKEN = UnreadableCall("f(", "no JSON")
UNREAD = CallOutcome("f(", "no JSON", ok=False)
READ = ToolCall("f", {"x": 1})


@pytest.mark.parametrize(
    ("turn", "observation", "expected"),
    [
        (PolicyTurn("C", (READ, READ)), Observation(done=False, calls=(GOOD, GOOD)), (GOOD, GOOD)),
        (PolicyTurn("C", (READ, READ)), Observation(done=False, calls=(GOOD, BAD)), (GOOD, BAD)),
        (PolicyTurn("C", (READ, BROKEN)), Observation(done=False, calls=(GOOD, UNREAD)), (GOOD, UNREAD)),
        (PolicyTurn("C", (BROKEN, BROKEN)), Observation(done=False, reply="error"), (UNREAD, UNREAD)),
        (PolicyTurn("C", (READ, BROKEN)), None, (UNREAD,)),
        (PolicyTurn("A"), Observation(done=True), ()),
        (PolicyTurn("A"), None, ()),
    ],
    ids=["both well", "one failed", "one malformed", "both malformed, not told", "cut off", "no call", "not asked"],
)
def test_a_policy_turn_says_what_came_of_each_of_its_calls(
    turn: PolicyTurn, observation: Observation | None, expected: tuple[CallOutcome, ...]
) -> None:
    """As the environment says; a call that can't be read failed even where the environment doesn't say so."""
    chosen = conversation()
    chosen.hear(Role.PROMPT, "Q", (1, 2))
    say(chosen, generation(0), turn, observation)
    chosen.end(TrajectoryStatus.OK)
    assert chosen.trajectory().turns[1].calls == expected


def test_a_tools_turn_has_all_results() -> None:
    """One to a line, those of failed calls among them; none where no tool was called."""
    chosen = conversation()
    chosen.hear(Role.PROMPT, "Q", (1, 2))
    chosen.hear(Role.TOOL, "R", (3,), observation=Observation(done=False, calls=(GOOD, BAD)))
    chosen.end(TrajectoryStatus.CANCELLED)
    assert [turn.tool_result for turn in chosen.trajectory().turns] == [None, "1\nerror: no x"]


def test_everything_that_people_will_read_is_readable() -> None:
    """What was heard, said, called and answered, and why it failed; the token ids keep the truth."""
    odd, clean = "a\ud83d\x00", "a\ufffd\ufffd"
    chosen = Conversation(TrajectoryId("run-1", 0, 0, 0), "calculator", Question(odd, odd))
    chosen.hear(Role.PROMPT, odd, (1, 2))
    outcome = CallOutcome(odd, odd, ok=True)
    say(chosen, generation(0), PolicyTurn(odd, written=odd), Observation(done=False, reply=odd, calls=(outcome,)))
    chosen.hear(Role.TOOL, odd, (3,), observation=Observation(done=False, reply=odd, calls=(outcome,)))
    say(chosen, generation(0), PolicyTurn("A"), Observation(done=True, answer=odd))
    chosen.end(TrajectoryStatus.OK, error=odd)
    found = chosen.trajectory()
    assert {found.question, found.expected, found.answer, found.error} == {clean}
    assert [turn.text for turn in found.turns] == [clean, clean, clean, "A"]
    assert found.turns[1].calls == (CallOutcome(clean, clean, ok=True),)
    assert found.turns[2].tool_result == clean
