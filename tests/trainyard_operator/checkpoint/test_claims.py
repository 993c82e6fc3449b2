"""Claims about claims: what becomes a Checkpoint object."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.trainyard_operator.builders import NAME, PREFIX, UID, at, checkpoint, claim, job
from trainyard_api.checkpoint import Checkpoint
from trainyard_operator.checkpoint.claims import ClaimsReview, review
from trainyard_operator.ledger.rows import Claim


def _review(claims: list[Claim], objects: list[Checkpoint] | None = None) -> ClaimsReview:
    storage = job().spec.checkpoints.storage
    return review(claims, objects or [], storage, namespace="team-a", job=NAME, job_uid=UID, attempts=1)


def test_a_claim_in_order_becomes_an_object_once() -> None:
    """First made, then given its status, then done."""
    one = claim()
    assert _review([one]).to_create == (one,)
    assert _review([one], [checkpoint(one, ready=False)]).to_fill == (one,)
    done = _review([one], [checkpoint(one)])
    assert done.stored == (one,)
    assert done.complete(())
    assert not _review([one]).complete(())
    assert _review([one]).complete({one.uri})
    assert done.latest == one


def test_the_highest_step_is_the_latest() -> None:
    """Whatever the order of the rows."""
    claims = [claim(5), claim(20), claim(10)]
    assert _review(claims, [checkpoint(each) for each in claims]).latest == claims[1]


def test_of_one_step_the_one_with_the_most_updates_is_the_latest() -> None:
    """Taken between steps it has none; whatever the order of the rows."""
    claims = [claim(5), *(claim(5, updates=done, uri=f"{PREFIX}step-5-u{done}-9d2f0c3e/") for done in (1, 3, 2))]
    for rows in (claims, claims[::-1]):
        assert _review(rows, [checkpoint(each) for each in rows]).latest == claims[2]


def test_a_state_in_the_middle_of_a_step_is_newer_than_the_steps_before_it() -> None:
    """Its folder and its object carry the number of updates; without that number it is refused."""
    whole, middle = claim(5), claim(5, updates=2, uri=f"{PREFIX}step-5-u2-9d2f0c3e/")
    assert middle.object_name(NAME, UID) == f"{whole.object_name(NAME, UID)}u2"
    assert _review([middle, whole], [checkpoint(whole), checkpoint(middle)]).latest == middle
    for wrong in (claim(5, uri=middle.uri), claim(5, updates=2), claim(5, updates=3, uri=middle.uri)):
        assert "checkpoints.step" in _review([wrong]).refused[wrong.uri]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"run_uid": "someone-else"}, 'checkpoints.run_uid: .*got "someone-else"'),
        ({"uri": "s3://models/p/team-b/x/y/step-1-abc/"}, "checkpoints.uri: .*team-b"),
        ({"uri": f"{PREFIX}../step-1-abc/"}, "checkpoints.uri: .*below this run's prefix"),
        ({"attempt": -5}, 'checkpoints.attempt: must be from 1 to 1.*; got "-5"'),
        ({"attempt": 2}, 'checkpoints.attempt: .*got "2"'),
        ({"step": 7}, 'checkpoints.step: .*step-3-.*got "7"'),
        ({"digest": "md5:0"}, 'checkpoints.digest: .*got "md5:0"'),
    ],
)
def test_a_claim_to_what_isnt_the_runs_own_is_refused(change: dict[str, Any], words: str) -> None:
    """With the column, the rule and the value; the others go on."""
    bad, good = claim(**{"step": 3, "uri": f"{PREFIX}step-3-9d2f0c3e/"} | change), claim(4)
    found = _review([bad, good])
    assert found.to_create == (good,)
    assert list(found.refused) == [bad.uri]
    assert re.search(words, found.refused[bad.uri])


def test_an_object_of_that_name_for_other_files_is_a_refusal() -> None:
    """It is never overwritten."""
    other = checkpoint(claim(10, uri=f"{PREFIX}step-10-other/"))
    found = _review([claim(10)], [other])
    assert "stands for other files" in found.refused[claim(10).uri]
    assert found.to_create == found.stored == ()


def test_between_steps_comes_before_the_scored_rollouts_of_the_next() -> None:
    """A state with no update done of a step is newer than the one between steps."""
    whole, scored = claim(5), claim(5, updates=0, uri=f"{PREFIX}step-5-u0-9d2f0c3e/")
    for rows in ([whole, scored], [scored, whole]):
        assert _review(rows, [checkpoint(each) for each in rows]).latest == scored


def test_of_equal_states_the_later_attempt_counts_then_the_later_commit() -> None:
    """Replayed steps are committed again."""
    first, second = (claim(5, attempt=attempt, uri=f"{PREFIX}step-5-{attempt}/") for attempt in (1, 2))
    storage = job().spec.checkpoints.storage
    found = review([second, first], [], storage, namespace="team-a", job=NAME, job_uid=UID, attempts=2)
    assert found.latest_accepted == second
    early, late = (claim(5, uri=f"{PREFIX}step-5-{n}/", committed_time=at(n)) for n in (1, 2))
    assert _review([late, early]).latest_accepted == late


def test_an_attempt_that_went_on_from_before_a_damaged_checkpoint_gets_on() -> None:
    """Its own checkpoints are the newest, though an earlier attempt's, which nobody can read, has a higher step."""
    damaged, redone = claim(10), claim(6, attempt=2)
    storage = job().spec.checkpoints.storage
    for rows in ([damaged, redone], [redone, damaged]):
        found = review(rows, [], storage, namespace="team-a", job=NAME, job_uid=UID, attempts=2)
        assert found.latest_accepted == redone


REFUSALS = [
    ({"run_uid": "x"}, f'checkpoints.run_uid: must be this run\'s, {UID}; got "x"'),
    ({"digest": "x"}, 'checkpoints.digest: must be sha256: and 64 hex digits; got "x"'),
    (
        {"step": 7},
        f'checkpoints.step: must be the step of the folder {PREFIX}step-3-9d2f0c3e/; got "7"',
    ),
    (
        {"updates": 2},
        f'checkpoints.step: must be the step of the folder {PREFIX}step-3-9d2f0c3e/; got "3, updates 2"',
    ),
]


@pytest.mark.parametrize(("change", "message"), REFUSALS)
def test_a_refusal_reads_field_rule_and_value(change: dict[str, Any], message: str) -> None:
    """As every other message."""
    bad = claim(**{"step": 3, "uri": f"{PREFIX}step-3-9d2f0c3e/"} | change)
    assert _review([bad]).refused[bad.uri] == message


def test_an_object_for_other_files_is_named() -> None:
    """With the files that were claimed."""
    other = checkpoint(claim(10, uri=f"{PREFIX}step-10-other/"))
    message = f'checkpoints.uri: Checkpoint {other.metadata.name} stands for other files; got "{claim(10).uri}"'
    assert _review([claim(10)], [other]).refused[claim(10).uri] == message


def test_an_object_is_ready_by_that_very_condition() -> None:
    """Not by another that is True, nor by Ready that is False."""
    one = claim()
    for kind, status in (("Verified", "True"), ("Ready", "False")):
        made = checkpoint(one)
        assert made.status is not None
        assert made.status.conditions is not None
        changed = made.status.conditions[0].model_copy(update={"type": kind, "status": status})
        told = made.model_copy(update={"status": made.status.model_copy(update={"conditions": [changed]})})
        assert _review([one], [told]).to_fill == (one,)
