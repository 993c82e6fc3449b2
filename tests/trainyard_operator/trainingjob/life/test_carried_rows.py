"""Claims about rows that travel in a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.trainyard_operator.builders import NOW, at, child, claim, decide, ended_record, observed, pod, running_status
from trainyard_api.conditions import ConditionType
from trainyard_operator.trainingjob.decision.actions import EnsureRunConfig, WriteRows
from trainyard_operator.trainingjob.decision.findings import Condition
from trainyard_operator.trainingjob.decision.observed import Refusal
from trainyard_operator.trainingjob.life.carried_rows import Carried, configure, uri_of, write

ONE = claim(7)
JOB = child(name="sums-1-rows", uid="rows-uid")


def _status(rows: int = 3, **record: Any) -> dict[str, Any]:
    committed = {"uri": ONE.uri, "digest": ONE.digest, "step": 7, "unwrittenRows": rows}
    return running_status(attempt=ended_record("Stopped", committed=committed, **record))


def _write(now: datetime = NOW, **around: Any) -> Carried:
    return write(observed(**{"status": _status()} | around), now)


def test_only_a_checkpoint_that_says_so_carries_rows() -> None:
    """Of the current attempt, at its end."""
    assert uri_of(observed(status=_status())) == ONE.uri
    for status in (_status(0), running_status(attempt=ended_record("Stopped")), running_status(), None):
        assert uri_of(observed(status=status)) is None
        assert write(observed(status=status), NOW) == Carried()
    assert uri_of(observed(status=_status() | {"attempts": 2})) is None


def test_a_job_writes_them_and_is_waited_for() -> None:
    """Made once, with its run config; nothing more when it has ended."""
    assert _write() == Carried(waits=True, actions=(WriteRows(1, ONE.uri),))
    assert _write(rows_job=JOB) == Carried(waits=True)
    assert _write(rows_job=replace(JOB, finished=True)) == Carried()


def test_its_run_config_is_made_sure_of_until_its_pod_runs() -> None:
    """A pass may have died between the two, or the ConfigMap been refused: the pod waits for it."""

    def planned(**around: Any) -> tuple[Any, ...]:
        return configure(observed(**{"status": _status(), "rows_job": JOB} | around))

    waits, runs = pod(role="rows", started=False), pod(role="rows", started=True)
    assert planned() == planned(pods=(waits,)) == (EnsureRunConfig(JOB),)
    assert planned(pods=(runs,)) == planned(status=_status(0)) == planned(rows_job=None) == ()
    for facts in ({"finished": True}, {"ours": False}, {"deletion_time": at(-1)}):
        assert planned(rows_job=replace(JOB, **facts)) == ()
    assert EnsureRunConfig(JOB) in decide(observed(status=_status(), rows_job=JOB, pods=(waits,))).actions


def _unwritten(why: str) -> tuple[Condition, ...]:
    message = f'committed.uri: carries rows that aren\'t in the ledger: {why}; got "{ONE.uri}"'
    return (Condition(ConditionType.DEGRADED, True, "RowsUnwritten", message),)


def test_rows_that_cant_be_written_keep_no_job_from_ending() -> None:
    """It is said, with the checkpoint that still carries them."""
    failed = replace(JOB, finished=True, failed=True)
    assert _write(rows_job=failed) == Carried(
        trouble=_unwritten("Job sums-1-rows couldn't write them; its log says why")
    )


@pytest.mark.parametrize(
    "facts", [{}, {"finished": True}, {"finished": True, "failed": True}, {"deletion_time": at(-1)}]
)
def test_a_strangers_job_of_that_name_is_said_and_waited_for_for_an_hour(facts: dict[str, Any]) -> None:
    """Never taken for ours, however it ended; a person may delete it, and what a former job has left goes by itself."""
    stranger = replace(JOB, ours=False, **facts)
    why = 'the Job "sums-1-rows" exists and isn\'t controlled by this TrainingJob: delete it'
    for now, waits in ((3589, True), (3590, False)):
        assert _write(at(now), rows_job=stranger) == Carried(waits=waits, trouble=_unwritten(why))


def test_a_job_that_is_refused_is_waited_for_and_tried_again_for_an_hour() -> None:
    """From the attempt's end; what was refused rests in between, and is said."""
    trouble = _unwritten("quota")
    for now, waits in ((3589, True), (3590, False)):
        resting = Refusal("quota", at(now + 1))
        assert _write(at(now), refused_rows=resting) == Carried(waits=waits, trouble=trouble)
    for now in (3589, 10**6):
        tried = _write(at(now), refused_rows=Refusal("quota", at(now)))
        assert tried == Carried(waits=True, actions=(WriteRows(1, ONE.uri),))
