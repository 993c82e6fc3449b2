"""Claims about derived names: all fit into Kubernetes' bounds, whatever the job is called."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from trainyard_api import names

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
jobs = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)
uids = st.uuids().map(str)
# Far beyond what a job can reach: a million attempts would take years, steps are bounded by the API.
attempts = st.integers(1, 999_999)
steps = st.integers(0, 1_000_000)
updates = st.none() | st.integers(0, 9999)


@given(jobs, attempts, st.binary(min_size=32, max_size=32))
def test_names_of_an_attempt_fit(job: str, attempt: int, digest: bytes) -> None:
    """Names of the child Job and its ConfigMap are legal labels of at most 63 characters."""
    for name in (names.child_job(job, attempt), names.run_config_map(job, attempt, digest.hex())):
        assert len(name) <= 63
        assert LABEL.match(name), name


@given(jobs)
def test_account_name_fits(job: str) -> None:
    """The name of the job's account is a legal label of at most 63 characters."""
    assert len(names.trainer_account(job)) <= 63
    assert LABEL.match(names.trainer_account(job))


@given(jobs, uids, attempts.filter(lambda attempt: attempt < 1000), steps, updates)
def test_checkpoint_name_fits(job: str, uid: str, attempt: int, step: int, update: int | None) -> None:
    """A Checkpoint's name is a legal label of at most 63 characters."""
    name = names.checkpoint(job, uid, attempt, step, update)
    assert len(name) <= 63, name
    assert LABEL.match(name), name


@given(jobs, uids, attempts)
def test_label_values_fit(job: str, uid: str, attempt: int) -> None:
    """Every label value is legal."""
    for value in names.job_labels(job, uid, attempt).values():
        assert len(value) <= 63
        assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", value)


@given(jobs, uids, st.tuples(attempts, steps), st.tuples(attempts, steps))
def test_checkpoint_names_differ(job: str, uid: str, one: tuple[int, int], two: tuple[int, int]) -> None:
    """Two checkpoints of one run share a name only if attempt and step are equal."""
    assert (names.checkpoint(job, uid, *one) == names.checkpoint(job, uid, *two)) == (one == two)


@given(jobs, uids, uids)
def test_prefixes_of_runs_differ(job: str, one: str, two: str) -> None:
    """A job that is made again under its old name writes elsewhere."""
    assert (names.run_prefix("", "n", job, one) == names.run_prefix("", "n", job, two)) == (one == two)


def test_folder_of_a_checkpoint() -> None:
    """A folder is named by finished steps, updates of an unfinished step, and the pod that writes it."""
    assert names.checkpoint_folder(3, "0123456789") == "step-3-01234567/"
    assert names.checkpoint_folder(3, "0123456789", 2) == "step-3-u2-01234567/"
    assert names.run_prefix("/a/b/", "team-a", "job", "uid") == "a/b/team-a/job/uid/"
