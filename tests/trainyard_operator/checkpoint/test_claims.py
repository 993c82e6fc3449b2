"""Claims about claims: what becomes a Checkpoint object."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.trainyard_operator.builders import NAME, PREFIX, UID, checkpoint, claim, job
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
