"""A trainer pod from its environment to its exit code.

Place in the data's way: station 4. Wires the loop to Postgres, S3 and the API server, after everything that a user can
get wrong has been tried: a run that can't keep its results must not begin. Decides nothing about training.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn, Protocol

from trainyard_api import names
from trainyard_api.run_config import RunConfig, RunIdentity
from trainyard_api.task import TaskSpec
from trainyard_api.termination import ExitCode, TerminationReason
from trainyard_trainer.checkpoints.files import Origin
from trainyard_trainer.checkpoints.resumable import Resumed, going_on
from trainyard_trainer.checkpoints.writer import CheckpointWriter
from trainyard_trainer.data.sources import DataAccess, fetch_data
from trainyard_trainer.errors import RefusedError, StoppedError
from trainyard_trainer.ledger.login import Login
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.models.first_model import fetch_model
from trainyard_trainer.pod import ending, logs
from trainyard_trainer.pod.pod_environment import PodEnvironment, read_environment
from trainyard_trainer.reporting import kube
from trainyard_trainer.reporting.progress import StatusReporter
from trainyard_trainer.reporting.tracking import TrackedLedger, open_trackers
from trainyard_trainer.sinks import Ended, Reporter, SavedCheckpoint
from trainyard_trainer.stop import Stop, leave
from trainyard_trainer.storage.storage import Storage
from trainyard_trainer.storage.storage_open import open_storage
from trainyard_trainer.storage.storage_s3 import Fields
from trainyard_trainer.training import run
from trainyard_trainer.training.algorithm_types import BATCH_READERS
from trainyard_trainer.training.baseline import fetch_baseline
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.restore import find_restorable
from trainyard_trainer.training.run_config_file import read_run_config
from trainyard_trainer.training.stopping import stopped_at, unsaved

_log = logging.getLogger(__name__)

GRACE_SHARE: Final = 0.9
"""Share of its grace after which a stopped pod ends, whatever hangs then."""


class PodReporter(Reporter, Protocol):
    """Reports as a reporter does, shows commits too, and can be closed."""

    def checkpoint(self, saved: SavedCheckpoint) -> None:
        """Shows a committed checkpoint at once."""

    def saved_in(self, seconds: float) -> None:
        """Shows how long the newest checkpoint took to save, with the next report."""

    def close(self) -> None:
        """Shows what is pending, within ten seconds."""


def status_reporter(identity: RunIdentity) -> PodReporter:
    """Makes the reporter of a pod in a cluster."""
    return StatusReporter(kube.in_cluster(identity).patch)


@dataclass(frozen=True)
class Surroundings:
    """Holds what differs between a pod and a test of one on a plain machine."""

    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    termination_log: Path = Path(names.TERMINATION_LOG)
    cache: Path = Path(names.CACHE_DIRECTORY)
    modules: Path = Path(names.MODULE_DIRECTORY)
    make_reporter: Callable[[RunIdentity], PodReporter] = status_reporter


def main(stop: Stop, surroundings: Surroundings | None = None) -> int:
    """Runs the pod and returns its exit code; the message is in the termination log by then.

    Args:
        stop: asked everywhere; where it isn't, another thread may end the process, in the same way.
        surroundings: by default a pod's.
    """
    here = surroundings or Surroundings()
    environment = read_environment(here.variables)
    logs.configure(environment.secrets)

    def last_word(error: BaseException) -> NoReturn:
        leave(_told(error, environment, here))

    stop.watch(last_word)
    try:
        ended = _train(here, environment, stop)
    except BaseException as error:  # noqa: BLE001 (the last door: whatever it is, SystemExit too, isn't a run that is done)
        return _told(error, environment, here)
    termination = ending.completed(ended)
    _log.info("done: %s", termination.message)
    ending.write(termination, here.termination_log)
    return int(ExitCode.DONE)


def _told(error: BaseException, environment: PodEnvironment, here: Surroundings) -> int:
    """Says in the log and in the termination message what ended the run; returns the exit code."""
    code, termination = ending.of_error(error, environment.secrets)
    if isinstance(error, (RefusedError, StoppedError)):
        _log.log(logging.ERROR if code == ExitCode.REFUSED else logging.INFO, "ended: %s", error)
    else:
        _log.error("crashed", exc_info=error)
    ending.write(termination, here.termination_log)
    return int(code)


def _train(here: Surroundings, environment: PodEnvironment, stop: Stop) -> Ended:
    config = read_run_config(environment.run_config)
    identity = config.run
    _log.info(
        "run %s/%s (%s), attempt %d, pod %s",
        identity.namespace,
        identity.name,
        identity.uid,
        identity.attempt,
        environment.pod_uid,
    )
    stop.grace_seconds = float(config.checkpoints.stop_grace_seconds)
    writer: CheckpointWriter | None = None
    newest: SavedCheckpoint | None = None

    def out_of_time() -> NoReturn:
        _log.warning("stop: something hangs, and the grace is nearly over")
        raise stopped_at(newest if writer is None else writer.committed or newest)

    with contextlib.ExitStack() as stack:
        stack.enter_context(stop.heeded_within(stop.grace_seconds * GRACE_SHARE, out_of_time))
        with unsaved(stop, None):
            reporter = here.make_reporter(identity)
            stack.callback(reporter.close)
            ledger = _ledger(environment, config, stack)
            storage, origin = _checkpoint_storage(environment, config)

        def find(unreadable: Mapping[str, str]) -> Resumed | None:
            into, read_batch = here.cache / "resumed", BATCH_READERS[config.algorithm.type]
            with unsaved(stop, None):
                return find_restorable(
                    storage, origin.prefix, identity.uid, into, read_batch=read_batch, unreadable=unreadable
                )

        def work(resumed: Resumed | None) -> Ended:
            nonlocal writer, newest
            with contextlib.ExitStack() as inner:
                newest = found = None if resumed is None else resumed.saved
                with unsaved(stop, found):
                    already = found if resumed is not None and resumed.whole else None
                    claim, show = ledger.record_checkpoint, reporter.checkpoint
                    writer = CheckpointWriter(
                        storage, origin, claim, show, resumed=already, fence=ledger.check, timed=reporter.saved_in
                    )
                    inner.callback(writer.close)
                    if found is not None:
                        # Its pod may have died between COMMIT and claim.
                        ledger.record_checkpoint(found)
                        reporter.checkpoint(found)
                    inputs = _inputs(config, here, environment, resumed)
                    trackers = open_trackers(
                        config, environment.wandb_key, environment.mlflow_token, here.cache / "tracking"
                    )
                    tracked = TrackedLedger(ledger, trackers)
                    inner.callback(tracked.close)
                return run.run(config, inputs, ledger=tracked, reporter=reporter, checkpointer=writer, stop=stop)

        return going_on(find, work)


def _inputs(config: RunConfig, here: Surroundings, environment: PodEnvironment, resumed: Resumed | None) -> RunInputs:
    """Brings everything that the run needs to this machine."""
    return RunInputs(
        model=fetch_model(config.model, environment.model, here.cache, environment.hub_token),
        module=_module(config.task, here.modules),
        data=fetch_data(config.task.data, DataAccess(credentials=environment.data)),
        baseline=fetch_baseline(config, environment.baseline, here.cache),
        resumed=resumed,
    )


def _module(task: TaskSpec, folder: Path) -> Path | None:
    return None if task.module is None else folder / task.module.key


def _ledger(environment: PodEnvironment, config: RunConfig, stack: contextlib.ExitStack) -> PostgresLedger:
    """Opens the ledger and finds out that this attempt may write there; `stack` closes it."""
    ledger = PostgresLedger(_login(environment, config), config.run)
    stack.callback(ledger.close)
    ledger.check()
    _log.info("database: reached, attempt %d may write", config.run.attempt)
    return ledger


def _login(environment: PodEnvironment, config: RunConfig) -> Login:
    if environment.dsn:
        return Login(environment.dsn, config.database_secret)
    raise RefusedError(
        TerminationReason.DATABASE_REFUSED,
        f"the Secret's key {names.DSN_KEY} must hold a connection string; it is empty",
        field_path="spec.database.secretRef.name",
        value=config.database_secret,
    )


def _checkpoint_storage(environment: PodEnvironment, config: RunConfig) -> tuple[Storage, Origin]:
    """Opens and tries where checkpoints go; returns it with the name under which they are written."""
    identity, where = config.run, config.checkpoints.storage
    if not environment.pod_uid:
        raise RefusedError(
            TerminationReason.INVALID_RUN_CONFIG,
            "the pod must be given its own uid, under which its files lie",
            field_path=names.ENV_POD_UID,
            value="",
        )
    storage = open_storage(where, environment.checkpoints, Fields.below("spec.checkpoints.storage.s3"))
    storage.check(write=True)
    prefix = where.s3.prefix if where.s3 is not None else ""
    parent = config.model.checkpoint
    origin = Origin(
        run=identity,
        pod_uid=environment.pod_uid,
        prefix=names.run_prefix(prefix, identity.namespace, identity.name, identity.uid),
        parent_uri=None if parent is None else parent.uri,
        tags=config.tags,
    )
    _log.info("checkpoints: %s can be written", storage.uri(origin.prefix))
    return storage, origin
