"""Runs the operator: `python -m trainyard_operator`; with `release` it lets everything go.

Place in the data's way: before all of it. Reads settings and prices, joins the parts, and hands over to kopf's event
loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import timedelta

import kopf

from trainyard_api.checkpoint import CheckpointStatus
from trainyard_api.training_job_status import TrainingJobStatus
from trainyard_operator import handlers, health, tick
from trainyard_operator.checkpoint.controller import CheckpointController
from trainyard_operator.cluster import kube
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.served import unknown_fields
from trainyard_operator.cluster.warnings import Warnings
from trainyard_operator.errors import TrainyardOperatorError
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices, PricesError, parse_prices
from trainyard_operator.queue import Controller, Queue
from trainyard_operator.settings import Settings, SettingsError, read_release_settings, read_settings
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.controller import TrainingJobController
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults
from trainyard_operator.uninstall import release

log = logging.getLogger("trainyard_operator")


def main(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code: 0 done, 1 failed, 2 settings can't be used."""
    if arguments not in ([], ["release"]):
        sys.stderr.write("usage: python -m trainyard_operator [release]\n")
        return 2
    try:
        if arguments:
            return _release()
        settings = read_settings(os.environ)
        return asyncio.run(_operate(settings))
    except (SettingsError, PricesError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except TrainyardOperatorError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _release() -> int:
    kopf.configure(log_format=kopf.LogFormat.PLAIN)
    count = asyncio.run(release(kube.connect(), read_release_settings(os.environ)))
    log.info("released %d objects", count)
    return 0


async def _operate(settings: Settings) -> int:
    _log(settings)
    prices = parse_prices(settings.prices_file.read_text(encoding="utf-8"))
    clock = Clock()
    api, ledger, metrics = kube.connect(clock.heard), Ledger(settings.dsn_file), Metrics()
    queue = Queue(_controllers(api, ledger, prices, settings, metrics, clock), metrics)
    state = health.Health(settings.tick_seconds)
    health_server = health.serve(state, settings.health_port)
    metrics_server, _ = metrics.serve(settings.metrics_port)
    every = tick.Tick(queue, api, ledger, state, settings.watch_namespaces, settings.tick_seconds)
    ticking = asyncio.create_task(every.run(), name="tick")
    try:
        # kopf looks for its resources once: they must be served by then.
        await _until_served(api, queue.controllers, settings)
        await kopf.operator(
            registry=handlers.registry(queue, state),
            standalone=True,
            clusterwide=not settings.watch_namespaces,
            namespaces=settings.watch_namespaces,
        )
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
        await queue.settle()
        await ledger.close()
        health_server.shutdown()
        metrics_server.shutdown()
    return 0


def _controllers(  # noqa: PLR0917 - the parts, each once
    api: kube.Kube, ledger: Ledger, prices: Prices, settings: Settings, metrics: Metrics, clock: Clock
) -> dict[kube.Kind, Controller]:
    """Makes one controller for each kind that this operator looks after."""
    jobs = TrainingJobController(
        kube=api,
        ledger=ledger,
        applier=Applier(api, ledger, _pod_defaults(settings)),
        prices=prices,
        trainer_image=settings.trainer_image,
        read_nodes=settings.read_nodes,
        metrics=metrics,
        steps=Steps(ledger, metrics),
        warnings=Warnings(api),
        clock=clock,
        keep_finished=timedelta(seconds=settings.keep_finished_seconds),
    )
    controllers: list[Controller] = [jobs, CheckpointController(api, clock)]
    return {controller.kind: controller for controller in controllers}


def _pod_defaults(settings: Settings) -> PodDefaults:
    return PodDefaults(
        image=settings.trainer_image,
        pull_policy=settings.image_pull_policy,
        pull_secrets=settings.trainer_pull_secrets,
        runtime_class=settings.trainer_runtime_class,
        ephemeral_storage=settings.trainer_ephemeral_storage,
        shared_memory=settings.trainer_shared_memory,
    )


async def _until_served(api: kube.Kube, kinds: Iterable[kube.Kind], settings: Settings) -> None:
    """Waits until the API server serves our kinds, with every field that this version writes."""
    namespace = settings.watch_namespaces[0] if settings.watch_namespaces else None
    while True:
        try:
            for kind in kinds:
                await api.list_objects(kind, namespace)
            missing = await unknown_fields(api, {"TrainingJob": TrainingJobStatus, "Checkpoint": CheckpointStatus})
        except kube.KubeError as error:
            log.warning("API server: waiting for the kinds of trainyard.dev; %s", error)
        else:
            if not missing:
                return
            log.error("CRDs: older than this operator; apply those of its release first; got none of %s", missing)
        await asyncio.sleep(settings.tick_seconds)


def _log(settings: Settings) -> None:
    wanted = kopf.LogFormat.JSON if settings.log_format == "json" else kopf.LogFormat.FULL
    kopf.configure(log_format=wanted)
    logging.getLogger().setLevel(settings.log_level)
    # What kopf says about each event of a watch would drown what passes say.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
