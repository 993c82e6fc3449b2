"""Claims about whether and when another attempt follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_operator.builders import NOW, ending, job, job_body, time_text
from trainyard_api.trainer_pod import GpuRequest, TrainerSpec
from trainyard_api.training_job_spec import RetryPolicy, TrainingJobSpec
from trainyard_api.training_job_status import AttemptEnding, Restarts
from trainyard_operator.cluster.clock import parse_time
from trainyard_operator.trainingjob.attempt.restarts import LONGEST_PAUSE, Again, End, Held, after, digest

SPEC = job().spec
ENDED = NOW - timedelta(seconds=10)
"""When the attempts of these tests end."""


def _end(
    attempt: int = 1, reason: str = "TrainerCrashed", uri: str | None = None, generation: int = 1, **changes: Any
) -> End:
    return End(attempt, AttemptEnding.model_validate(ending(reason, **changes)), uri, generation)


def _interruption(attempt: int = 1, uri: str | None = None) -> End:
    return _end(attempt, "Disrupted", uri, counts=False)


def _again(end: End, former: Restarts | None = None, spec: TrainingJobSpec = SPEC, now: datetime = NOW) -> Again:
    found = after(end, former or Restarts(), spec, now)
    assert isinstance(found, Again), found
    return found


def _held(end: End, former: Restarts, spec: TrainingJobSpec = SPEC, now: datetime = NOW) -> Held:
    found = after(end, former, spec, now)
    assert isinstance(found, Held), found
    return found


def _pause(counted: Restarts) -> float:
    assert counted.next_time is not None
    return (parse_time(counted.next_time) - ENDED).total_seconds()


def test_a_crash_counts_and_pauses_ten_seconds_from_its_end() -> None:
    """Not from when it is looked at; the message says when the next one begins, and why."""
    waiting = _again(_end(), now=ENDED + timedelta(seconds=9))
    assert waiting.counted == Restarts(attempt=1, crashes=1, in_a_row=1, next_time=time_text(0))
    assert waiting.message == f"Attempt 2 begins at {time_text(0)}: why"
    assert _again(_end(), now=NOW).message == ""


def test_a_count_is_made_once_per_attempt() -> None:
    """However often a pass looks: it may die before the next attempt is announced."""
    once = _again(_end()).counted
    assert _again(_end(), once).counted == once
    assert _again(_end(2), once).counted.crashes == 2
    held = once.model_copy(update={"crashes": 99})
    assert isinstance(after(_end(), held, SPEC, NOW), Again)


def test_pauses_double_up_to_five_minutes() -> None:
    """Without a newer checkpoint in between, and for any number of ends."""
    counted, pauses = Restarts(), []
    for attempt in range(1, 31):
        counted = _again(_interruption(attempt), counted).counted
        pauses.append(_pause(counted))
    assert pauses == [0, 10, 20, 40, 80, 160, *[300] * 24]
    generous, counted, pauses = job(retry={"maxRestarts": 100}).spec, Restarts(), []
    for attempt in range(1, 9):
        counted = _again(_end(attempt), counted, generous).counted
        pauses.append(_pause(counted))
    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_newer_checkpoint_begins_the_count_anew() -> None:
    """Crashes, interruptions, pauses and the step at which memory ran out: a job that gets on is never given up."""
    former = Restarts(
        attempt=4, crashes=3, interruptions=7, in_a_row=5, checkpoint_uri="s3://old/", out_of_memory_step=9
    )
    got_on = _again(_end(5, uri="s3://new/"), former).counted
    assert (got_on.crashes, got_on.in_a_row, got_on.interruptions) == (1, 1, 0)
    assert (got_on.checkpoint_uri, got_on.out_of_memory_step, _pause(got_on)) == ("s3://new/", None, 10)
    stuck = _held(_end(5, uri="s3://old/"), former).counted
    assert (stuck.crashes, stuck.in_a_row, stuck.out_of_memory_step) == (4, 6, 9)
    lost = _held(_end(5, uri=None), former).counted
    assert lost.crashes == 4


def test_an_interruption_counts_nothing_and_the_first_pauses_not() -> None:
    """The cluster's fault; without a checkpoint between them they back off alike."""
    counted = _again(_interruption()).counted
    assert (counted.crashes, counted.interruptions, counted.in_a_row, _pause(counted)) == (0, 1, 1, 0)
    assert _again(_interruption(), now=ENDED).message == ""
    assert _pause(_again(_interruption(2), counted).counted) == 10


def test_crashes_beyond_max_restarts_hold_the_job() -> None:
    """The one after the last that is allowed; the field to raise is named with its value."""
    three = Restarts(attempt=3, crashes=3, in_a_row=3)
    assert isinstance(after(_end(3), three, SPEC, NOW), Again)
    held = _held(_end(4), three)
    assert held.problem.reason == "RestartsExhausted"
    assert held.problem.message == (
        "spec.retry.maxRestarts: the trainer crashed 4 times without a newer checkpoint between: raise it, or edit "
        'trainer (why); got "3"'
    )
    assert (held.counted.held_reason, held.counted.crashes, held.counted.attempt) == ("RestartsExhausted", 4, 4)
    none = job(retry={"maxRestarts": 0}).spec
    assert _held(_end(), Restarts(), none).problem.message.endswith('got "0"')


def test_a_hundred_interruptions_are_enough() -> None:
    """Without a checkpoint between them; one more with a newer checkpoint is the first again."""
    former = Restarts(attempt=99, interruptions=99, checkpoint_uri="s3://old/")
    hundred = _again(_interruption(100, "s3://old/"), former).counted
    assert hundred.interruptions == 100
    assert _again(_interruption(101, "s3://new/"), hundred).counted.interruptions == 1
    held = _held(_interruption(101, "s3://old/"), hundred)
    assert held.problem.reason == "InterruptionsExhausted"
    assert held.problem.message.startswith("spec.trainer: was interrupted more than 100 times")
    assert held.problem.message.endswith('(why); got "101"')


def test_memory_that_runs_out_twice_at_a_step_holds_the_job() -> None:
    """Or before it; later than last time is progress, and so is a newer checkpoint."""
    first = _again(_end(1, "OutOfMemory", step=5)).counted
    assert first.out_of_memory_step == 5
    for step, held in ((4, True), (5, True), (6, False)):
        found = after(_end(2, "OutOfMemory", step=step), first, SPEC, NOW)
        assert isinstance(found, Held) is held, step
    found = _held(_end(2, "OutOfMemory", step=5), first)
    assert found.problem.reason == "OutOfMemory"
    assert found.problem.message.startswith("spec.trainer.memory: two attempts ran out of memory at the same step")
    assert found.problem.message.endswith('(why); got "1Gi"')
    assert isinstance(after(_end(2, "OutOfMemory", "s3://new/", step=5), first, SPEC, NOW), Again)
    unreported = _again(_end(1, "OutOfMemory")).counted
    assert unreported.out_of_memory_step == 0
    assert isinstance(after(_end(2, "OutOfMemory"), unreported, SPEC, NOW), Held)


def test_another_crash_in_between_forgets_no_memory_step() -> None:
    """Nothing has got on since."""
    first = _again(_end(1, "OutOfMemory", step=5)).counted
    between = _again(_end(2), first).counted
    assert between.out_of_memory_step == 5
    assert isinstance(after(_end(3, "OutOfMemory", step=5), between, SPEC, NOW), Held)


@pytest.mark.parametrize(
    "edit",
    [{"trainer": {"cpu": "1", "memory": "2Gi"}}, {"retry": {"maxRestarts": 9}}, {"trainer": {"image": "mine:2"}}],
)
def test_a_held_job_goes_on_once_trainer_or_retry_is_edited(edit: dict[str, Any]) -> None:
    """All is forgiven then; anything else, time included, leaves it held and says the same."""
    held = _held(_end(4, uri="s3://a/"), Restarts(attempt=3, crashes=3, in_a_row=3, checkpoint_uri="s3://a/")).counted
    dearer = job(budget={"maxCostUSD": "9.00"}).spec
    for generation, spec, now in ((1, SPEC, NOW + timedelta(days=9)), (2, dearer, NOW)):
        still = _held(_end(4, uri="s3://a/", generation=generation), held, spec, now)
        assert still.counted == held.model_copy(update={"held_generation": generation})
        assert still.problem.reason == "RestartsExhausted"
    edited = _end(4, uri="s3://a/", generation=2)
    freed = _again(edited, held, job(**edit).spec)
    assert freed == Again(Restarts(attempt=4, checkpoint_uri="s3://a/"))
    assert _again(edited, freed.counted, job(**edit).spec).counted == freed.counted


@pytest.mark.parametrize("reason", ["Stopped", "StoppedUnsaved"])
def test_a_stop_that_was_asked_for_is_never_counted(reason: str) -> None:
    """Nothing is added, nothing is waited for, and what held the job is let go of."""
    former = Restarts(
        attempt=2, crashes=2, interruptions=1, in_a_row=3, next_time=time_text(500), held_for="ab", held_generation=7
    )
    found = _again(_end(3, reason, counts=False), former)
    assert found.message == ""
    assert found.counted == Restarts(attempt=3, crashes=2, interruptions=1, in_a_row=3, held_reason=None)


_REASONS = st.sampled_from(
    ["TrainerCrashed", "OutOfMemory", "Disrupted", "PodLost", "Stopped", "StartDeadlineExceeded"]
)
_ENDS = st.lists(
    st.tuples(_REASONS, st.booleans(), st.integers(0, 3), st.sampled_from([None, "s3://a/", "s3://b/"])), max_size=12
)


@given(_ENDS)
def test_no_history_makes_a_pause_longer_than_the_longest_or_counts_too_much(
    ends: list[tuple[str, bool, int, str | None]],
) -> None:
    """Whatever the order of ends: what goes on is within its bounds, and what is held stays so."""
    counted = Restarts()
    for attempt, (reason, counts, step, uri) in enumerate(ends, 1):
        end = _end(attempt, reason, uri, counts=counts, step=step)
        found = after(end, counted, SPEC, NOW)
        assert after(end, found.counted, SPEC, NOW) == found
        if isinstance(found, Held):
            return
        counted = found.counted
        assert counted.crashes <= SPEC.retry.max_restarts
        assert counted.next_time is None or 0 <= _pause(counted) <= LONGEST_PAUSE.total_seconds()


def test_max_restarts_is_how_many_attempts_follow_crashes() -> None:
    """Three of them by default, the fourth crash holds; with none, the first does."""
    counted = Restarts()
    for attempt in (1, 2, 3):
        counted = _again(_end(attempt), counted).counted
    assert counted.crashes == 3
    assert _held(_end(4), counted).counted.crashes == 4


def test_a_held_job_of_a_newer_operator_says_what_it_can() -> None:
    """A word that this version doesn't know reads as the most general one."""
    held = _held(_end(4), Restarts(attempt=3, crashes=3)).counted
    for reason in ("Novel", None):
        still = _held(_end(4), held.model_copy(update={"held_reason": reason}))
        assert still.problem.reason == "RestartsExhausted"


def test_the_words_of_an_end_are_cut_in_a_longer_message() -> None:
    """At five hundred characters."""
    held = _held(_end(4, message="m" * 1000), Restarts(attempt=3, crashes=3))
    assert f"({'m' * 499}…)" in held.problem.message


def test_what_a_job_is_held_for_fits_its_field() -> None:
    """Thirty-two hex digits, whatever the order in which a manifest was written."""
    digest = _held(_end(4), Restarts(attempt=3, crashes=3)).counted.held_for
    assert digest is not None
    assert len(digest) == 32
    assert int(digest, 16) >= 0
    first, second = {"a": "1", "b": "2"}, {"b": "2", "a": "1"}
    one, other = (job(trainer={"cpu": "1", "memory": "1Gi", "nodeSelector": s}).spec for s in (first, second))
    held = _held(_end(4), Restarts(attempt=3, crashes=3), one).counted
    assert _held(_end(4, generation=2), held, other).counted.held_for == held.held_for


class LaterGpus(GpuRequest):
    """What a pod may ask of a GPU, with a field of a later version."""

    sharing: str = "Never"


class LaterTrainer(TrainerSpec):
    """The trainer's pod with fields of a later version, and another default."""

    gpus: LaterGpus | None = None
    cpu: str = "2"
    topology_spread: str = "Any"
    huge_pages: str | None = None


class LaterRetry(RetryPolicy):
    """What happens after a crash, with a field of a later version."""

    longest_pause_seconds: int = 300


class LaterSpec(TrainingJobSpec):
    """A spec as a later version reads it."""

    trainer: LaterTrainer = LaterTrainer()
    retry: LaterRetry = LaterRetry()


_WRITTEN = {
    "trainer": {"cpu": "3", "memory": "1Gi", "gpus": {"count": 1, "product": "L4"}},
    "retry": {"maxRestarts": 3},
}
_EXHAUSTED = Restarts(attempt=3, crashes=3)


def _later(*, filled: bool = False, **changes: Any) -> LaterSpec:
    """A stored manifest as a later version reads it; `filled`: with the defaults that its API server fills in."""
    spec = job_body(**_WRITTEN | changes)["spec"]
    read = LaterSpec.model_validate(spec)
    return LaterSpec.model_validate(read.to_wire()) if filled else read


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("generation", [1, 2])
def test_an_upgrade_releases_no_held_job(filled: bool, generation: int) -> None:
    """Whose version knows more fields, on the spec as it is and beside an edit of another field."""
    held = _held(_end(4), _EXHAUSTED, job(**_WRITTEN).spec).counted
    now = _held(_end(4, generation=generation), held, _later(filled=filled)).counted
    assert now == held.model_copy(update={"held_generation": generation})
    assert isinstance(after(_end(4, generation=3), now, _later(trainer={"cpu": "4"}), NOW), Again)


def test_a_default_that_changes_with_the_version_is_no_edit() -> None:
    """The API server has stored the former one; nobody has written anything since, and the next edit still counts."""
    stored = {"cpu": "1", "memory": "1Gi"}
    held = _held(_end(4), _EXHAUSTED, job(trainer=stored).spec).counted
    now = _held(_end(4), held, _later(trainer=stored)).counted
    assert now.held_for != held.held_for
    assert _held(_end(4, generation=2), now, _later(trainer=stored)).counted.held_for == now.held_for
    assert isinstance(after(_end(4, generation=3), now, _later(trainer=stored | {"memory": "2Gi"}), NOW), Again)


def test_a_job_isnt_held_for_a_spec_that_never_ran() -> None:
    """Memory that was raised while the attempt ran out of it: the next one has it, and nothing is counted."""
    former = Restarts(attempt=3, crashes=3, in_a_row=3, out_of_memory_step=5)
    crash = replace(_end(4, "OutOfMemory", step=5), trainer_digest=digest(SPEC.trainer))
    assert _held(crash, former).problem.reason == "OutOfMemory"
    edited = job(trainer={"memory": "64Gi"}).spec
    assert _again(crash, former, edited).counted == Restarts(attempt=4)
    lowered = job(retry={"maxRestarts": 1}).spec
    assert _held(crash, former, lowered).problem.reason == "OutOfMemory"
