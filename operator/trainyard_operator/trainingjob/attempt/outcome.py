"""What a pod's end, or its failure to begin, means for its job.

Place in the data's way: from station 4 back to station 2. Collects the signs, looks the row up in `failure.py`, and
composes what a person reads. The termination message is hostile input: user code runs in that pod.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from trainyard_api import names
from trainyard_api.conditions import Reason
from trainyard_api.termination import (
    CommittedCheckpoint,
    ExitCode,
    Termination,
    TerminationReason,
    parse_termination,
)
from trainyard_api.training_job_spec import TrainingJobSpec
from trainyard_operator.checkpoint.uri import inside_run
from trainyard_operator.cluster.messages import at_field, bounded
from trainyard_operator.cluster.pod import PodView
from trainyard_operator.trainingjob.attempt import failure
from trainyard_operator.trainingjob.attempt.failure import Ending, Finality, Sign
from trainyard_operator.trainingjob.trainer_pod.files import mounts_of
from trainyard_operator.trainingjob.trainer_pod.secrets import secrets_of

IMAGE_WAITS: Final = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
CONFIG_WAITS: Final = frozenset({"CreateContainerConfigError"})
_REFUSALS: Final = frozenset(TerminationReason) - {
    TerminationReason.COMPLETED,
    TerminationReason.EARLY_STOPPED,
    TerminationReason.STOPPED,
    TerminationReason.STOPPED_UNSAVED,
}
_SUCCESS: Final = {
    Reason.COMPLETED: "All steps are done.",
    Reason.EARLY_STOPPED: "Training ended early: validation no longer improved.",
}
_EVALUATED: Final = "The evaluation is done."
_GREEDY: Final = "has larger consumption of ephemeral-storage"
"""The kubelet's words, where it evicts for the node's sake and the pod is why."""
_SECRET: Final = re.compile(
    r"secret \"(?P<missing>[^\"]+)\" not found|key (?P<key>\S+) in Secret [^/\s]+/(?P<holder>\S+)"
)


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended."""

    reason: str
    message: str
    success: bool = False
    final: bool = False
    """Another attempt would end the same way."""
    counts: bool = False
    """Counts against spec.retry.maxRestarts."""
    committed_uri: str | None = None
    """The checkpoint that it named last, below its run's prefix."""
    committed: CommittedCheckpoint | None = None
    """The same with all that a claim holds, where it said so."""


@dataclass(frozen=True)
class Run:
    """What is needed to judge one run's pods."""

    namespace: str
    name: str
    uid: str
    spec: TrainingJobSpec
    image: str
    """The image that its pods run."""

    @property
    def trains_nothing(self) -> bool:
        """Tells whether it only evaluates, and leaves results instead of a checkpoint."""
        return self.spec.algorithm.type == "Evaluation"


@dataclass(frozen=True)
class Circumstances:
    """What is known of an attempt besides its pod."""

    stop_asked: bool = False
    """Whether this operator told it to stop."""
    ever_started: bool = True
    """Whether a trainer of this job has ever started."""
    deadline_exceeded: bool = False
    """Whether its Job has failed for its activeDeadlineSeconds."""


def judge_end(pod: PodView | None, run: Run, around: Circumstances) -> Outcome:
    """Judges an attempt whose trainer has ended, or is gone (None)."""
    if pod is None or pod.exit_code is None:
        signs = {Sign.GONE} if pod is None or not pod.terminal else set()
        return _outcome(None, signs | _signs_of(pod, around), around, message=_message_without_exit(pod))
    termination = parse_termination(pod.termination_text)
    signs = _signs_of(pod, around) | {
        sign
        for sign, seen in {
            Sign.RESULT_MISSING: not _names_its_result(termination, run),
            Sign.EARLY_STOPPED: termination is not None and termination.reason == TerminationReason.EARLY_STOPPED,
            Sign.UNSAVED: termination is not None and termination.reason == TerminationReason.STOPPED_UNSAVED,
            Sign.UNKNOWN_WORD: termination is None or termination.reason not in _REFUSALS,
        }.items()
        if seen
    }
    row = failure.classify(pod.exit_code, frozenset(signs), stop_asked=around.stop_asked)
    reason = row.reason or (termination.reason if termination else Reason.TRAINER_CRASHED)
    message = _message_of_exit(pod, termination, run, row)
    if row.success:
        message = _EVALUATED if run.trains_nothing else _SUCCESS[Reason(reason)]
    final = row.final is Finality.YES
    return Outcome(str(reason), message, row.success, final, row.counts, **_committed(termination, run))


def without_result(outcome: Outcome) -> Outcome:
    """Turns a success whose checkpoint the ledger lacks into a crash: user code may write any message and exit 0."""
    uri = outcome.committed_uri or "nothing"
    rule = "the ledger must hold a claim to it that was accepted"
    return Outcome(Reason.RESULT_MISSING, at_field("committedUri", rule, uri), counts=True)


def judge_start(pod: PodView, run: Run, around: Circumstances, now: datetime) -> tuple[Outcome | None, Outcome | None]:
    """Finds what keeps a bound pod from starting.

    Returns: the attempt's end, or None; and trouble that may still resolve, or None.
    """
    if pod.started or pod.ended or pod.bound_time is None:
        return None, None
    late = now >= pod.bound_time + timedelta(seconds=run.spec.trainer.start_deadline_seconds)
    sign, message = _waiting(pod, run)
    outcome = _outcome(None, {sign}, replace(around, stop_asked=False), message=message)
    if late:
        return outcome, None
    return None, outcome if sign is not Sign.NOT_STARTED else None


def _waiting(pod: PodView, run: Run) -> tuple[Sign, str]:
    reason = pod.waiting_reason or "no container yet"
    if reason in IMAGE_WAITS:
        text = f"the image can't be pulled ({reason}: {bounded(pod.waiting_message, 300)})"
        return Sign.IMAGE_WAITING, at_field("spec.trainer.image", text, run.image)
    match = _SECRET.search(pod.waiting_message) if reason in CONFIG_WAITS else None
    if match is not None:
        secret = match["missing"] or match["holder"]
        rule = f"the Secret has no key {match['key']}" if match["key"] else "no such Secret in this namespace"
        return Sign.SECRET_WAITING, at_field(_field_of_secret(run.spec, secret, match["key"]), rule, secret)
    seconds = run.spec.trainer.start_deadline_seconds
    text = f"the container must start within this many seconds of being bound ({reason}"
    detail = f": {bounded(pod.waiting_message, 300)}" if pod.waiting_message else ""
    if reason == "ContainerCreating":
        detail += _files_to_come(run.spec)
    return Sign.NOT_STARTED, at_field("spec.trainer.startDeadlineSeconds", f"{text}{detail})", str(seconds))


def _files_to_come(spec: TrainingJobSpec) -> str:
    """Names what a container that isn't made may wait for: only the pod's events tell which ConfigMap isn't there."""
    named = [f"{mount.source.name} with the key {mount.source.key}" for mount in mounts_of(spec.task)]
    return bounded(f"; ConfigMaps of spec.task must exist: {', '.join(named)}", 600) if named else ""


def _field_of_secret(spec: TrainingJobSpec, secret: str, key: str | None) -> str:
    for use in secrets_of(spec):
        if use.secret == secret and key in {None, use.key}:
            return use.field_path
    # The Secret of a checkpoint that another job wrote.
    return "spec.model.checkpoint" if spec.model.checkpoint is not None else "spec.evaluation.baseline.checkpoint"


def _names_its_result(termination: Termination | None, run: Run) -> bool:
    if termination is not None and run.trains_nothing:
        return termination.results_digest is not None
    if termination is None or termination.committed_uri is None:
        return False
    return _is_of_run(termination.committed_uri, run)


def _is_of_run(uri: str, run: Run) -> bool:
    return inside_run(uri, run.spec.checkpoints.storage, run.namespace, run.name, run.uid)


def _signs_of(pod: PodView | None, around: Circumstances) -> set[Sign]:
    """Collects what the cluster says of a pod's end."""
    seen = {Sign.JOB_DEADLINE: around.deadline_exceeded}
    if pod is not None:
        evicted = pod.status_reason == "Evicted"
        greedy = evicted and (pod.disruption is None or _GREEDY in pod.status_message)
        seen |= {
            Sign.OUT_OF_MEMORY: pod.out_of_memory,
            Sign.OWN_EXCESS: greedy,
            Sign.REJECTED: bool(pod.status_reason) and not evicted and not pod.started and pod.exit_code is None,
            Sign.DISRUPTED: pod.disruption is not None,
            # The kubelet itself deletes without grace once it has told how the containers ended.
            Sign.DELETED: pod.deletion_time is not None
            and not evicted
            and (pod.exit_code is not None or not pod.force_deleted),
        }
    return {sign for sign, is_seen in seen.items() if is_seen}


def _committed(termination: Termination | None, run: Run) -> dict[str, Any]:
    """Reads the checkpoint that a trainer named, where it is one of this run."""
    if termination is None or run.trains_nothing:
        return {}
    uri, whole = termination.committed_uri, termination.committed
    return {
        "committed_uri": uri if uri is not None and _is_of_run(uri, run) else None,
        "committed": whole if whole is not None and _is_of_run(whole.uri, run) else None,
    }


def _message_of_exit(pod: PodView, termination: Termination | None, run: Run, row: Ending) -> str:
    if pod.exit_code == ExitCode.REFUSED and termination is not None:
        path = f"{termination.field_path}: " if termination.field_path else ""
        value = "" if termination.value is None else f"; got {termination.value!r}"
        return bounded(f"{path}{termination.message or termination.reason}{value}")
    if pod.exit_code == ExitCode.DONE:
        return _message_without_result(termination, run)
    said = termination.message if termination else (pod.termination_text or "")
    words = {
        Reason.OUT_OF_MEMORY: at_field(
            "spec.trainer.memory",
            f"the container {names.TRAINER_CONTAINER} was killed for using more memory",
            run.spec.trainer.memory,
        ),
        Reason.STORAGE_EXCEEDED: f"pod {pod.name} was evicted: {pod.status_message}",
        Reason.DISRUPTED: f"pod {pod.name} was disrupted: {pod.disruption}",
        Reason.DEADLINE_EXCEEDED: f"pod {pod.name} was stopped: its Job's activeDeadlineSeconds had passed",
        Reason.INTERRUPTED: f"pod {pod.name} was stopped by somebody else; {_saved(pod, termination)}",
        Reason.STOPPED_UNSAVED: bounded(
            f"pod {pod.name} was told to stop and ended with exit code {pod.exit_code}, unsaved"
            + (f": {said}" if said else "")
        ),
        TerminationReason.STOPPED: f"pod {pod.name} was told to stop; its state is saved",
    }
    default = f"pod {pod.name} ended with exit code {pod.exit_code}" + (f": {said!r}" if said else "")
    return bounded(words.get(row.reason, default) if row.reason is not None else default)


def _saved(pod: PodView, termination: Termination | None) -> str:
    if pod.exit_code != ExitCode.STOPPED:
        return f"it ended with exit code {pod.exit_code}"
    unsaved = termination is not None and termination.reason == TerminationReason.STOPPED_UNSAVED
    return "nothing of it was saved" if unsaved else "its state is saved"


def _message_without_result(termination: Termination | None, run: Run) -> str:
    if run.trains_nothing:
        return at_field("resultsDigest", "the trainer must name the digest of its results", "nothing")
    uri = "nothing" if termination is None else termination.committed_uri or "nothing"
    return at_field("committedUri", "the trainer must name a checkpoint below its run's prefix", uri)


def _message_without_exit(pod: PodView | None) -> str:
    if pod is None:
        return "the pod is gone and left no exit code"
    said = pod.disruption or pod.status_message
    state = "ended" if pod.terminal else "was deleted"
    return bounded(f"pod {pod.name} {state} and left no exit code" + (f": {said}" if said else ""))


def _outcome(exit_code: int | None, signs: set[Sign], around: Circumstances, *, message: str) -> Outcome:
    row = failure.classify(exit_code, frozenset(signs), stop_asked=around.stop_asked)
    final = row.final is Finality.YES or (row.final is Finality.BEFORE_START and not around.ever_started)
    return Outcome(str(row.reason), message, final=final, counts=row.counts and not final)
