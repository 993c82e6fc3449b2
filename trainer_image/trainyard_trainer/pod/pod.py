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
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from trainyard_api import names
from trainyard_api.run_config import RunConfig, RunIdentity
from trainyard_api.task import TaskSpec
from trainyard_api.termination import Termination
from trainyard_trainer.checkpoints.files import Origin
from trainyard_trainer.checkpoints.resumable import Resumed, going_on
from trainyard_trainer.checkpoints.writer import CheckpointWriter
from trainyard_trainer.data.sources import DataAccess, fetch_data
from trainyard_trainer.ledger.delivery import Patience
from trainyard_trainer.ledger.outbox import Outbox
from trainyard_trainer.ledger.postgres import PostgresLedger
from trainyard_trainer.models.first_model import fetch_model
from trainyard_trainer.pod import ending, logs
from trainyard_trainer.pod.carried_rows import why_not, write_first
from trainyard_trainer.pod.kept_log import KeptLog
from trainyard_trainer.pod.last_word import LastWord
from trainyard_trainer.pod.pod_access import checkpoint_storage, login_of
from trainyard_trainer.pod.pod_environment import PodEnvironment, read_environment
from trainyard_trainer.pod.stopped_away import away_is_a_stop, hurried
from trainyard_trainer.reporting import kube
from trainyard_trainer.reporting.progress import StatusReporter
from trainyard_trainer.reporting.tracking import TrackedLedger, open_trackers
from trainyard_trainer.sinks import Reporter, SavedCheckpoint
from trainyard_trainer.stop import Stop
from trainyard_trainer.storage.storage import Storage
from trainyard_trainer.training import run
from trainyard_trainer.training.algorithm_types import BATCH_READERS
from trainyard_trainer.training.baseline import fetch_baseline
from trainyard_trainer.training.inputs import RunInputs
from trainyard_trainer.training.restore import find_restorable
from trainyard_trainer.training.run_config_file import read_run_config
from trainyard_trainer.training.stopping import unsaved

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
    patience: Patience = field(default_factory=Patience)


def main(stop: Stop, surroundings: Surroundings | None = None) -> int:
    """Runs the pod and returns its exit code; the message is in the termination log by then.

    Args:
        stop: asked everywhere; where it isn't, another thread may end the process, in the same way.
        surroundings: by default a pod's.
    """
    here = surroundings or Surroundings()
    environment = read_environment(here.variables)
    log = KeptLog(environment.secrets)
    last = LastWord(environment.secrets, here.termination_log, log, stop)
    with log.listening():
        logs.configure(environment.secrets)
        stop.watch(last.leave)
        try:
            return last.done(_train(here, environment, stop, last))
        except BaseException as error:  # noqa: BLE001 (the last door: whatever it is, SystemExit too, isn't a run that is done)
            return last.failed(error)


def _train(here: Surroundings, environment: PodEnvironment, stop: Stop, last: LastWord) -> Termination:
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
    with contextlib.ExitStack() as stack:
        stack.enter_context(stop.heeded_within(GRACE_SHARE * stop.grace_seconds, last.out_of_time))
        stack.enter_context(away_is_a_stop(stop, None))
        with unsaved(stop, None):
            reporter = here.make_reporter(identity)
            stack.callback(reporter.close)
            ledger = PostgresLedger(login_of(environment, config), identity, patience_seconds=0)
            last.outbox = outbox = Outbox(ledger, identity, stop, here.patience.within(environment.cache_bytes))
            stack.callback(outbox.close)
            outbox.check()
            _log.info("database: reached, attempt %d may write", identity.attempt)
            storage, origin = checkpoint_storage(environment, config)
            last.log.place(storage, origin.prefix + names.attempt_log(identity.attempt))

        def find(unreadable: Mapping[str, str]) -> Resumed | None:
            with unsaved(stop, None):
                return find_restorable(
                    *(storage, origin.prefix, identity.uid, here.cache / "resumed"),
                    read_batch=BATCH_READERS[config.algorithm.type],
                    carried=partial(why_not, outbox, identity),
                    unreadable=unreadable,
                )

        run_on = _RunOn(here, environment, stop, last, config, reporter, outbox, storage, origin)
        return going_on(find, run_on)


@dataclass(frozen=True)
class _RunOn:
    """Does a run's work with what was opened and tried, from a checkpoint on."""

    here: Surroundings
    environment: PodEnvironment
    stop: Stop
    last: LastWord
    config: RunConfig
    reporter: PodReporter
    outbox: Outbox
    storage: Storage
    origin: Origin

    def __call__(self, resumed: Resumed | None) -> Termination:
        stop, last, outbox, config = self.stop, self.last, self.outbox, self.config
        with contextlib.ExitStack() as inner:
            last.found = None if resumed is None else resumed.saved
            inner.enter_context(away_is_a_stop(stop, last.found))
            with unsaved(stop, last.found):
                if resumed is not None:
                    resumed = write_first(outbox, config.run, resumed, self.storage, self.origin.prefix)
                last.found = found = None if resumed is None else resumed.saved
                last.writer = writer = CheckpointWriter(
                    *(self.storage, self.origin, outbox.record_checkpoint, self._show),
                    resumed=found if resumed is not None and resumed.whole else None,
                    timed=self.reporter.saved_in,
                    rows=outbox,
                )
                inner.callback(writer.close)
                inner.enter_context(hurried(outbox))
                if found is not None:
                    # Its pod may have died between COMMIT and claim.
                    outbox.record_checkpoint(found)
                    self._show(found)
                inputs = _inputs(config, self.here, self.environment, resumed)
                keys = self.environment.wandb_key, self.environment.mlflow_token
                tracked = TrackedLedger(outbox, open_trackers(config, *keys, self.here.cache / "tracking"))
                inner.callback(tracked.close)
            ended = run.run(config, inputs, ledger=tracked, reporter=self.reporter, checkpointer=writer, stop=stop)
            with away_is_a_stop(stop, ended.saved):
                outbox.finish()
            return ending.completed(ended, outbox.unwritten())

    def _show(self, saved: SavedCheckpoint) -> None:
        self.reporter.checkpoint(saved)
        self.last.log.write_soon()


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
