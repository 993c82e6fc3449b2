"""Claims about what a pod's end means."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainyard_operator.builders import NOW, PREFIX, at, ended_pod, pod, run
from trainyard_operator.cluster.messages import MAX_MESSAGE
from trainyard_operator.trainingjob.attempt.outcome import Circumstances, judge_end, judge_start, without_result

ALONE, ASKED = Circumstances(), Circumstances(stop_asked=True)
DONE = json.dumps({"reason": "Completed", "committedUri": f"{PREFIX}step-10-9d2f0c3e/"})


def _refusal(**fields: Any) -> str:
    base = {"reason": "UnknownTask", "fieldPath": "spec.task.name", "value": "chess", "message": "no such task"}
    return json.dumps(base | fields)


def test_exit_zero_with_an_own_checkpoint_is_success() -> None:
    """The URI is kept: the job is complete only when that checkpoint is stored."""
    outcome = judge_end(ended_pod(0, DONE), run(), ALONE)
    assert (outcome.success, outcome.committed_uri) == (True, f"{PREFIX}step-10-9d2f0c3e/")


@pytest.mark.parametrize("text", ["", "done", '{"reason": "Completed"}', DONE.replace("team-a", "team-b")])
def test_exit_zero_without_an_own_checkpoint_is_a_missing_result(text: str) -> None:
    """Whatever the trainer says: no result, no success."""
    outcome = judge_end(ended_pod(0, text), run(), ALONE)
    assert (outcome.success, outcome.reason) == (False, "ResultMissing")


def test_a_run_that_stopped_early_has_succeeded() -> None:
    """With a checkpoint like any other success, and its own word."""
    outcome = judge_end(ended_pod(0, DONE.replace("Completed", "EarlyStopped")), run(), ALONE)
    assert (outcome.success, outcome.reason) == (True, "EarlyStopped")


def test_an_evaluation_leaves_results_instead_of_a_checkpoint() -> None:
    """Exit 0 with their digest is success, without it a missing result."""
    only = run(algorithm={"type": "Evaluation"}, evaluation={"baseline": {"checkpoint": "other"}})
    results = json.dumps({"reason": "Completed", "resultsDigest": "sha256:" + "0" * 64})
    done, empty = (judge_end(ended_pod(0, text), only, ALONE) for text in (results, DONE))
    assert (done.success, done.committed_uri, done.message) == (True, None, "The evaluation is done.")
    assert (empty.success, empty.reason) == (False, "ResultMissing")
    assert empty.message.startswith("resultsDigest: ")


def test_a_refusal_keeps_the_trainers_word_field_and_value() -> None:
    """Exit 20: `path: message; got value`."""
    outcome = judge_end(ended_pod(20, _refusal()), run(), ALONE)
    assert outcome.reason == "UnknownTask"
    assert outcome.message == "spec.task.name: no such task; got 'chess'"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        _refusal(reason="Completed"),
        *(_refusal(reason=word) for word in ("Stopped", "StoppedUnsaved")),
        _refusal(reason="Mine"),
    ],
)
def test_a_refusal_may_use_only_the_closed_list(text: str) -> None:
    """Any other word is a crash: reasons are an API, and user code runs in that pod."""
    assert judge_end(ended_pod(20, text), run(), ALONE).reason == "TrainerCrashed"


@given(text=st.text(max_size=5000), code=st.sampled_from([0, 1, 10, 20, 137]))
def test_no_termination_text_breaks_the_judge(text: str, code: int) -> None:
    """Any text gives a reason of the API's form and a bounded message."""
    outcome = judge_end(ended_pod(code, text), run(), ALONE)
    assert outcome.reason.isalpha()
    assert outcome.reason[0].isupper()
    assert len(outcome.message) <= MAX_MESSAGE
    assert not outcome.success


def test_other_ends_say_what_was_seen() -> None:
    """Out of memory names the field; a disruption repeats the cluster's words; a crash its exit code and last words."""
    assert judge_end(ended_pod(137, out_of_memory=True), run(), ALONE).message == (
        'spec.trainer.memory: the container trainer was killed for using more memory; got "1Gi"'
    )
    disrupted = judge_end(ended_pod(10, disruption="preempted by x"), run(), ALONE)
    assert disrupted.reason == "Disrupted"
    assert "preempted by x" in disrupted.message
    crash = judge_end(ended_pod(3, "Traceback: no"), run(), ALONE)
    assert crash.reason == "TrainerCrashed"
    assert "exit code 3: 'Traceback: no'" in crash.message


def test_a_pod_that_is_gone_is_lost() -> None:
    """Gone, or deleted by force; one that failed without a container is a crash with the cluster's message."""
    assert judge_end(None, run(), ALONE).reason == "PodLost"
    assert judge_end(pod(force_deleted=True), run(), ALONE).reason == "PodLost"
    evicted = pod(phase="Failed", status_message="Evicted: disk")
    outcome = judge_end(evicted, run(), ALONE)
    assert outcome.reason == "TrainerCrashed"
    assert "Evicted: disk" in outcome.message


def test_a_stop_that_was_asked_for_is_no_interruption() -> None:
    """Exit 10 reads differently by who asked."""
    assert judge_end(ended_pod(10), run(), ASKED).reason == "Stopped"
    assert judge_end(ended_pod(10), run(), ALONE).reason == "Interrupted"


SECRET_CASES = [
    ('secret "trainyard-db" not found', "spec.database.secretRef.name", "trainyard-db"),
    ('secret "trainyard-s3" not found', "spec.checkpoints.storage.s3.secretRef.name", "trainyard-s3"),
    ('secret "other" not found', "spec.model.s3.secretRef.name", "other"),
    ("couldn't find key dsn in Secret team-a/trainyard-db", "spec.database.secretRef.name", "trainyard-db"),
    (
        "couldn't find key AWS_ACCESS_KEY_ID in Secret team-a/trainyard-s3",
        *("spec.checkpoints.storage.s3.secretRef.name", "trainyard-s3"),
    ),
]


@pytest.mark.parametrize(("message", "path", "value"), SECRET_CASES)
def test_a_missing_secret_is_found_in_the_manifest(message: str, path: str, value: str) -> None:
    """The kubelet names the Secret; the field that refers to it is found."""
    waiting = pod(started=False, waiting_reason="CreateContainerConfigError", waiting_message=message)
    judged = run(model={"s3": {"bucket": "models", "secretRef": {"name": "other"}}})
    end, trouble = judge_start(waiting, judged, ALONE, at(0))
    assert end is None
    assert trouble is not None
    assert trouble.reason == "SecretUnavailable"
    assert trouble.message.startswith(f"{path}: ")
    assert trouble.message.endswith(f'got "{value}"')


def test_one_secret_for_both_uses_is_told_apart_by_its_key() -> None:
    """Where one Secret serves database and bucket, the missing key says which field is meant."""
    message = "couldn't find key AWS_SECRET_ACCESS_KEY in Secret team-a/trainyard-s3"
    waiting = pod(started=False, waiting_reason="CreateContainerConfigError", waiting_message=message)
    _, trouble = judge_start(waiting, run(database={"secretRef": {"name": "trainyard-s3"}}), ALONE, NOW)
    assert trouble is not None
    assert trouble.message.startswith("spec.checkpoints.storage.s3.secretRef.name: the Secret has no key")


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"])
def test_an_image_gets_its_time_to_come(reason: str) -> None:
    """Trouble until then, the end of the attempt from then on; the image that was tried is named."""
    waiting = pod(started=False, waiting_reason=reason, waiting_message="no such tag")
    judged = run(trainer={"image": "mine:1", "startDeadlineSeconds": 100})
    end, trouble = judge_start(waiting, judged, ALONE, at(-1))
    assert end is None
    assert trouble is not None
    end, trouble = judge_start(waiting, judged, ALONE, at(0))
    assert trouble is None
    assert end is not None
    assert end.reason == "ImageUnavailable"
    assert end.message.startswith("spec.trainer.image: the image can't be pulled")


def test_a_pod_that_only_dawdles_is_no_trouble_until_the_deadline() -> None:
    """Then it is over, with the field that allows more."""
    slow = pod(started=False, waiting_reason="ContainerCreating")
    assert judge_start(slow, run(), ALONE, at(0)) == (None, None)
    end, _ = judge_start(slow, run(), ALONE, at(600))
    assert end is not None
    assert end.reason == "StartDeadlineExceeded"
    assert end.message.startswith("spec.trainer.startDeadlineSeconds: ")
    assert end.message.endswith('got "600"')


def test_a_container_that_is_not_made_may_lack_a_config_map() -> None:
    """A mistyped name shows nowhere but in the pod's events, so those that the pod mounts are named."""
    slow = pod(started=False, waiting_reason="ContainerCreating")
    task = {"name": "Mine", "module": {"name": "my-task", "key": "task.py"}, "rewards": [{"name": "exact"}]}
    end, _ = judge_start(slow, run(task=task), ALONE, at(600))
    assert end is not None
    assert "ConfigMaps of spec.task must exist: my-task with the key task.py" in end.message
    without, _ = judge_start(slow, run(), ALONE, at(600))
    assert without is not None
    assert "ConfigMap" not in without.message


def test_a_pod_without_a_node_has_no_deadline() -> None:
    """Waiting for capacity costs nothing and may take days."""
    unbound = pod(bound_time=None, node_name=None, started=False)
    assert judge_start(unbound, run(), ALONE, at(10**6)) == (None, None)


def test_what_a_trainer_committed_is_kept_with_its_end() -> None:
    """Of a crash or a stop too; only where it is below this run's prefix, and not of an evaluation."""
    whole = {"uri": f"{PREFIX}step-7-9d2f0c3e/", "digest": "sha256:" + "0" * 64, "step": 7}
    text = json.dumps({"reason": "Stopped", "committedUri": whole["uri"], "committed": whole})
    for code, around in ((10, ASKED), (1, ALONE), (0, ALONE)):
        found = judge_end(ended_pod(code, text), run(), around)
        assert (found.committed_uri, found.committed and found.committed.to_wire()) == (
            whole["uri"],
            whole | {"sizeBytes": 0, "metrics": {}, "unwrittenRows": 0},
        )
    foreign = text.replace("team-a", "team-b")
    assert judge_end(ended_pod(10, foreign), run(), ASKED).committed is None
    assert judge_end(ended_pod(10, foreign), run(), ASKED).committed_uri is None
    only = run(algorithm={"type": "Evaluation"}, evaluation={"baseline": {"checkpoint": "other"}})
    assert judge_end(ended_pod(1, text), only, ALONE).committed is None


def test_a_result_that_isnt_in_the_ledger_is_a_crash() -> None:
    """With what was named; nothing, where nothing was."""
    done = judge_end(ended_pod(0, DONE), run(), ALONE)
    lost = without_result(done)
    assert (lost.reason, lost.success, lost.final, lost.counts) == ("ResultMissing", False, False, True)
    assert lost.message.endswith(f'got "{PREFIX}step-10-9d2f0c3e/"')
    assert without_result(replace(done, committed_uri=None)).message.endswith('got "nothing"')


def test_a_pod_that_is_gone_says_so() -> None:
    """There is nothing else to say."""
    assert judge_end(None, run(), ALONE).message == "the pod is gone and left no exit code"


SLOW = "spec.trainer.startDeadlineSeconds: the container must start within this many seconds of being bound"
WAITING = [
    (
        ("ErrImagePull", "no such tag"),
        'spec.trainer.image: the image can\'t be pulled (ErrImagePull: no such tag); got "trainer.example/trainer:1"',
    ),
    (
        ("CreateContainerConfigError", 'secret "trainyard-db" not found'),
        'spec.database.secretRef.name: no such Secret in this namespace; got "trainyard-db"',
    ),
    (
        ("CreateContainerConfigError", "couldn't find key dsn in Secret team-a/trainyard-db"),
        'spec.database.secretRef.name: the Secret has no key dsn; got "trainyard-db"',
    ),
    (
        ("CreateContainerConfigError", "something else"),
        f'{SLOW} (CreateContainerConfigError: something else); got "600"',
    ),
    (
        ("CrashLoopBackOff", 'secret "trainyard-db" not found'),
        f'{SLOW} (CrashLoopBackOff: secret "trainyard-db" not found); got "600"',
    ),
    (
        (None, ""),
        f'{SLOW} (no container yet); got "600"',
    ),
]


@pytest.mark.parametrize(("waiting", "message"), WAITING)
def test_what_a_container_waits_for_is_named_with_its_field(waiting: tuple[str | None, str], message: str) -> None:
    """The kubelet's reason and words; the field to mend, and its value."""
    slow = pod(started=False, waiting_reason=waiting[0], waiting_message=waiting[1])
    end, _ = judge_start(slow, run(), ALONE, at(500))
    assert end is not None
    assert end.message == message


def test_a_secret_of_another_jobs_checkpoint_is_named_by_what_leads_to_it() -> None:
    """The model's, or the baseline's."""
    missing = pod(
        started=False, waiting_reason="CreateContainerConfigError", waiting_message='secret "theirs" not found'
    )
    for spec, path in (
        ({"model": {"checkpoint": {"name": "x"}}}, "spec.model.checkpoint: "),
        (
            {"algorithm": {"type": "Evaluation"}, "evaluation": {"baseline": {"checkpoint": "other"}}},
            "spec.evaluation.baseline.checkpoint: ",
        ),
    ):
        _, trouble = judge_start(missing, run(**spec), ALONE, NOW)
        assert trouble is not None
        assert trouble.message.startswith(path)


def test_what_has_started_or_ended_isnt_judged_by_its_start() -> None:
    """Nor what has no node."""
    for facts in ({}, {"phase": "Failed", "started": False}, {"started": False, "bound_time": None}):
        assert judge_start(pod(**facts), run(), ALONE, at(10**6)) == (None, None)


def test_a_refusal_of_an_evaluation_names_what_it_lacks() -> None:
    """The field, the rule, and that there was nothing."""
    only = run(algorithm={"type": "Evaluation"}, evaluation={"baseline": {"checkpoint": "other"}})
    message = 'resultsDigest: the trainer must name the digest of its results; got "nothing"'
    assert judge_end(ended_pod(0, '{"reason": "Completed"}'), only, ALONE).message == message
    trained = judge_end(ended_pod(0, '{"reason": "Completed"}'), run(), ALONE)
    assert trained.message.endswith('got "nothing"')
    lost = 'committedUri: the ledger must hold a claim to it that was accepted; got "nothing"'
    assert without_result(replace(trained, committed_uri=None)).message == lost


def test_the_words_of_a_crash_are_the_trainers_where_it_said_any() -> None:
    """Not the whole JSON of them."""
    said = judge_end(ended_pod(1, '{"reason": "Crashed", "message": "no more disk"}'), run(), ALONE)
    assert said.message == "pod sums-1-abcde ended with exit code 1: 'no more disk'"
    refused = judge_end(ended_pod(20, '{"reason": "Novel", "message": "why"}'), run(), ALONE)
    assert refused.message == "why"


def test_long_words_of_the_cluster_are_cut() -> None:
    """The kubelet's at 300 characters, the names of ConfigMaps at 600."""
    for reason in ("ErrImagePull", "ContainerCreating"):
        slow = pod(started=False, waiting_reason=reason, waiting_message="w" * 900)
        end, _ = judge_start(slow, run(), ALONE, at(600))
        assert end is not None
        assert "w" * 299 + "…" in end.message
        assert "w" * 300 not in end.message
    train = {"configMap": {"name": "n" * 250, "key": "k.jsonl"}}
    task = {
        "name": "mine",
        "rewards": [{"name": "exact"}],
        "module": {"name": "my-task", "key": "task.py"},
        "data": {"train": train, "validation": train, "test": train},
    }
    slow = pod(started=False, waiting_reason="ContainerCreating", waiting_message="why")
    end, _ = judge_start(slow, run(task=task), ALONE, at(600))
    assert end is not None
    head = "; ConfigMaps of spec.task must exist: my-task with the key task.py, nnn"
    assert f"(ContainerCreating: why{head}" in end.message
    named = end.message.partition("ContainerCreating: why")[2].partition("…")[0]
    assert len(named) == 599
    plain, _ = judge_start(slow, run(), ALONE, at(600))
    assert plain is not None
    assert plain.message.endswith('(ContainerCreating: why); got "600"')


def test_what_waits_for_its_start_is_judged_without_an_exit_code() -> None:
    """Not as a container that has ended."""
    waiting = pod(started=False, waiting_reason="ErrImagePull", exit_code=None)
    end, _ = judge_start(waiting, run(), Circumstances(ever_started=False), at(600))
    assert end is not None
    assert (end.reason, end.final, end.counts) == ("ImageUnavailable", True, False)
