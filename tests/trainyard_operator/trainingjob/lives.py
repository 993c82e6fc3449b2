"""A whole life of a job with an operator that may die at any of its calls.

The API server, its controllers and Postgres are real; the test plays scheduler and kubelet. The operator is its real
controller in this process, with a clock that the test sets. It dies before or after a mutating call, as its fate says,
and another one, which remembers nothing, goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

from kubernetes import client, config

from tests.servers import Database
from tests.trainyard_operator.bench import IMAGE, PRICES, RATE_PER_HOUR, Api, condition
from tests.waiting import until
from trainyard_api import names
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    TRAINING_JOBS,
    Kube,
    KubeError,
)
from trainyard_operator.cluster.warnings import Warnings
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.errors import LedgerUnavailable
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.controller import TrainingJobController
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults

KEEP = timedelta(hours=1)
_PASSING = re.compile(r'"(resourceVersion|spentUSD|eventTime)": "[^"]*"|\d{4}-\d\d-\d\dT[\d:.]+Z')


class Died(BaseException):
    """The operator's process is gone."""


@dataclass
class Fate:
    """When the operator dies: asked before and after each mutating call, by the call's number in the whole life."""

    strikes: Callable[[int, str], str] = lambda _number, _call: ""
    """Number and name of a call → `before`, `after`, or nothing."""
    calls: list[str] = field(default_factory=list)

    def before(self, call: str, body: Any = None) -> str:
        """Counts a call; returns what is to happen, and dies where that is `before`.

        Calls that say the same at different times have the same name.
        """
        said = _PASSING.sub("", json.dumps(body, sort_keys=True))
        call = f"{call} {hashlib.sha256(said.encode()).hexdigest()[:8]}"
        self.calls.append(call)
        strike = self.strikes(len(self.calls) - 1, call)
        if strike == "before":
            raise Died(call)
        return strike


class MortalKube(Kube):
    """The real client; the process may die at any request that changes something."""

    def __init__(self, api: client.ApiClient, fate: Fate) -> None:
        super().__init__(api)
        self._fate = fate

    async def _request(self, method: str, path: str, **options: Any) -> Any:
        if method == "GET":
            return await super()._request(method, path, **options)
        strike = self._fate.before(f"{method} {path.rsplit('/namespaces/', maxsplit=1)[-1]}", options.get("body"))
        try:
            return await super()._request(method, path, **options)
        finally:
            # Whatever the answer: what was refused, as money that a record has overtaken, is a call like any other.
            if strike:
                raise Died(path)


class MortalLedger(Ledger):
    """The real login; the process may die at any statement that changes something."""

    def __init__(self, dsn_file: Path, fate: Fate) -> None:
        super().__init__(dsn_file)
        self._fate = fate

    async def run(self, work: Callable[[Any], Any]) -> Any:
        name = f"{work.__module__.rpartition('.')[2]}.{work.__qualname__.partition('.')[0]}"
        if name.endswith(".read"):
            return await super().run(work)
        strike = self._fate.before(f"SQL {name}")
        answer = await super().run(work)
        if strike:
            raise Died(name)
        return answer


@dataclass
class World:
    """One namespace, one job, and the operator of the moment."""

    api: Api
    database: Database
    kubeconfig: Path
    dsn_file: Path
    namespace: str
    name: str
    fate: Fate
    ahead: timedelta = timedelta()
    """How far the operator's clock is ahead of the machine's."""
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Every pod that was seen, by uid, as it was when it had just ended."""
    deaths: int = 0
    _operator: TrainingJobController | None = None

    def now(self) -> datetime:
        """The time on the operator's clock."""
        return datetime.now(UTC).replace(microsecond=0) + self.ahead

    def settle(self) -> None:
        """Lets operators make passes, each to its death, until one has nothing left to do."""
        asyncio.run(self._settle())
        self._look()

    def until(self, kind: str, reason: str) -> dict[str, Any]:
        """Settles until a condition has a reason; returns the job."""

        def look() -> dict[str, Any] | None:
            self.settle()
            job = self.job()
            return job if condition(job, kind).get("reason") == reason else None

        return until(look, lambda: f"want {kind} {reason}; got {self.job().get('status')}", pause=0.02)

    def job(self) -> dict[str, Any]:
        """The TrainingJob."""
        return self.api.job(self.name, self.namespace)

    def next_pod(self, attempt: int) -> dict[str, Any]:
        """The pod of an attempt, once the Job controller has made it."""

        def look() -> dict[str, Any] | None:
            self.settle()
            found = self.api.pods(self.name, self.namespace)
            return next((p for p in found if p["metadata"]["labels"][names.ATTEMPT_LABEL] == str(attempt)), None)

        return until(look, lambda: f"no pod of attempt {attempt}: {self.job().get('status')}", pause=0.05)

    def patch(self, **spec: Any) -> None:
        """Edits the manifest."""
        self.api.merge(TRAINING_JOBS.path(self.namespace, self.name), {"spec": spec})

    def end(self, pod: dict[str, Any], exit_code: int, message: str = "") -> None:
        """Ends a pod, a second ago, and keeps what is on record of it then."""
        self.api.end(pod, exit_code, message, ago=1)
        self.pods[pod["metadata"]["uid"]] = self.api.send("GET", PODS.path(self.namespace, pod["metadata"]["name"]))

    def obey(self, pod: dict[str, Any], exit_code: int, message: str = "") -> None:
        """Ends a pod that was told to stop, as a kubelet does."""
        path = PODS.path(self.namespace, pod["metadata"]["name"])
        until(lambda: "deletionTimestamp" in self.api.send("GET", path)["metadata"], "the pod isn't stopped")
        self.end(pod, exit_code, message)

    def remove_ended(self) -> None:
        """Removes deleted pods that nobody holds any more, as a kubelet does when their containers have ended."""
        for pod in self.api.pods(self.name, self.namespace):
            if "deletionTimestamp" in pod["metadata"]:
                with contextlib.suppress(KubeError):
                    self.api.delete(PODS, pod["metadata"]["name"], self.namespace, gracePeriodSeconds=0)

    def recount(self) -> Decimal:
        """US dollars of all pods by their own recorded times: from PodScheduled to the last container's end."""
        return sum((_cost(pod) for pod in self.pods.values()), Decimal(0))

    def _look(self) -> None:
        self.remove_ended()
        alive = 0
        for pod in self.api.pods(self.name, self.namespace):
            self.pods.setdefault(pod["metadata"]["uid"], pod)
            alive += pod["status"].get("phase") not in {"Succeeded", "Failed"}
        assert alive <= 1, f"{alive} pods at a time"

    async def _settle(self) -> None:
        quiet = 0
        while quiet < 2:
            before = len(self.fate.calls)
            operator = self._operator or self._begin()
            try:
                await operator.reconcile(self.namespace, self.name)
            except Died:
                self.deaths += 1
                await operator.ledger.close()
                self._operator = None
                quiet = 0
                continue
            except (KubeError, LedgerUnavailable):
                await asyncio.sleep(0.05)
            quiet = quiet + 1 if len(self.fate.calls) == before else 0
        await operator.ledger.close()

    def _begin(self) -> TrainingJobController:
        settings = client.Configuration()
        config.load_kube_config(str(self.kubeconfig), client_configuration=settings)
        kube = MortalKube(client.ApiClient(settings), self.fate)
        ledger, metrics = MortalLedger(self.dsn_file, self.fate), Metrics()
        clock = Clock(wall=lambda: datetime.now(UTC).timestamp(), elapsed=lambda: 0.0)
        clock.now = self.now  # type: ignore[method-assign]
        self._operator = TrainingJobController(
            kube=kube,
            ledger=ledger,
            applier=Applier(kube, ledger, PodDefaults(IMAGE, "Never")),
            prices=Prices.model_validate(PRICES),
            trainer_image=IMAGE,
            read_nodes=True,
            metrics=metrics,
            steps=Steps(ledger, metrics),
            warnings=Warnings(kube),
            clock=clock,
            keep_finished=KEEP,
        )
        return self._operator


def live(world: World) -> dict[str, Any]:
    """A life with everything in it: crash, restart, suspension, resumption, success, clearing; returns the job."""
    first = world.next_pod(1)
    _run(world, first)
    world.end(first, 1, "boom")
    world.until("Succeeded", "Restarting")
    world.ahead += timedelta(seconds=15)
    second = world.next_pod(2)
    _run(world, second)
    world.patch(suspend=True)
    world.until("Succeeded", "Stopping")
    uri = _claim(world, 5)
    world.obey(second, 10, f'{{"reason": "Stopped", "committedUri": "{uri}", "lastStep": 5}}')
    world.until("Suspended", "Suspended")
    world.patch(suspend=None)
    third = world.next_pod(3)
    _run(world, third)
    uri = _claim(world, 10)
    world.end(third, 0, f'{{"reason": "Completed", "committedUri": "{uri}", "lastStep": 10}}')
    world.until("Finished", "Completed")
    world.ahead += 2 * KEEP
    world.settle()
    until(lambda: (world.settle(), "clearedTime" in world.job()["status"])[1], "it isn't cleared")
    return world.job()


def leftovers(world: World) -> list[str]:
    """What is left of a job that was cleared: nothing but itself and its checkpoints."""
    kinds = (JOBS, PODS, CONFIG_MAPS, SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS)
    found = (body["metadata"]["name"] for kind in kinds for body in world.api.items(kind, world.namespace))
    return [name for name in found if name.startswith(world.name)]


def _run(world: World, pod: dict[str, Any]) -> None:
    world.api.bind(pod)
    world.api.bound_ago(pod, 7)
    world.api.run(pod)
    world.until("Succeeded", "Running")


def _claim(world: World, step: int) -> str:
    metadata = world.job()["metadata"]
    prefix = names.run_prefix("p", world.namespace, world.name, metadata["uid"])
    uri = f"s3://models/{prefix}{names.checkpoint_folder(step, 'abcdef0123')}"
    world.database.execute(
        "INSERT INTO trainyard.checkpoints (uri, run_uid, attempt, step, digest, size_bytes, metrics)"
        " VALUES (%s, %s, %s, %s, %s, 2048, '{}')",
        *(uri, metadata["uid"], world.job()["status"]["attempts"], step, f"sha256:{step:064x}"),
    )
    return uri


def _cost(pod: dict[str, Any]) -> Decimal:
    (scheduled,) = (c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    ends = [c["state"]["terminated"]["finishedAt"] for c in pod["status"]["containerStatuses"]]
    begin, end = (datetime.fromisoformat(text) for text in (scheduled["lastTransitionTime"], max(ends)))
    amount = Decimal(RATE_PER_HOUR) * int((end - begin).total_seconds()) / 3600
    return amount.quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN)
