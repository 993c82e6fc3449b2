"""Claims about the tick: one object's trouble is that object's, and what is gone is forgotten."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.trainyard_operator.bench import PRICES, training_job
from tests.trainyard_operator.builders import JOBS_POD_BODY, NOW, UID, checkpoint, claim, job_body
from trainyard_operator.checkpoint.controller import CheckpointController
from trainyard_operator.cluster import kube
from trainyard_operator.cluster.clock import Clock
from trainyard_operator.cluster.kube import CHECKPOINTS, TRAINING_JOBS, Kind, KubeError
from trainyard_operator.cluster.listing import ClusterListing
from trainyard_operator.cluster.warnings import Warnings
from trainyard_operator.cluster.watch import Watch
from trainyard_operator.handlers import registry
from trainyard_operator.health import Health
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.queue import Controller, Key, Queue
from trainyard_operator.tick import Tick
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.apply.memory import Memory, refusal
from trainyard_operator.trainingjob.controller import TrainingJobController
from trainyard_operator.trainingjob.trainer_pod.defaults import PodDefaults


class Server:
    """Two jobs; the pod of the first was just bound, and its node may not be read."""

    def __init__(self) -> None:
        other = training_job("other")
        other["metadata"] |= {"uid": "other-uid", "generation": 1, "resourceVersion": "8"}
        self.lists = {kube.TRAINING_JOBS: [job_body(), other], kube.PODS: [copy.deepcopy(JOBS_POD_BODY)]}

    async def list_objects(self, kind: Kind, *_: Any) -> list[dict[str, Any]]:
        """What there is of a kind."""
        return self.lists.get(kind, [])

    async def get(self, path: str) -> dict[str, Any] | None:
        """Refuses nodes, and has nothing else."""
        if "/nodes/" in path:
            raise KubeError(403, "Forbidden", "nodes is forbidden")
        return None


class Asked(Queue):
    """A queue that is only asked."""

    def ask(self, key: Key, *, urgent: bool = False) -> None:
        """Remembers."""
        assert not urgent
        self._again.add(key)


class Rig:
    """A tick over a server, with a ledger that is away."""

    def __init__(self, server: Any, directory: Path, *others: Controller) -> None:
        ledger, metrics, self.health = Ledger(directory / "dsn"), Metrics(), Health(5)
        self.applier = Applier(server, ledger, PodDefaults("image", "Never"))
        self.jobs = TrainingJobController(
            kube=server,
            ledger=ledger,
            applier=self.applier,
            prices=Prices.model_validate(PRICES),
            trainer_image="image",
            read_nodes=True,
            metrics=metrics,
            steps=Steps(ledger, metrics),
            warnings=Warnings(server),
            clock=Clock(),
            keep_finished=timedelta(days=1),
        )
        controllers: tuple[Controller, ...] = (self.jobs, CheckpointController(server, Clock()), *others)
        self.queue = Asked({controller.kind: controller for controller in controllers}, metrics)
        self.tick = Tick(self.queue, server, ledger, self.health, (), 5)

    def once(self) -> set[Key]:
        """One tick; returns what it has asked for."""
        asyncio.run(self.tick.once())
        return self.queue._again


def test_a_job_that_cant_be_judged_gets_a_pass_and_hides_no_other(tmp_path: Path) -> None:
    """Cost and deadlines of all others go on, and the tick counts as done for liveness."""
    rig = Rig(Server(), tmp_path)
    assert rig.once() == {Key(TRAINING_JOBS, "team-a", "sums"), Key(TRAINING_JOBS, "team-a", "other")}
    assert rig.health.listed


def test_a_kind_asks_only_for_what_needs_a_pass(tmp_path: Path) -> None:
    """Of Checkpoints the imports that nobody has reported on; the same tick asks for jobs."""
    server = Server()
    bodies = [checkpoint(claim(), ready=ready, name=name) for ready, name in ((True, "done"), (False, "import"))]
    server.lists[CHECKPOINTS] = [body.model_dump(mode="json", by_alias=True, exclude_none=True) for body in bodies]
    asked = Rig(server, tmp_path).once()
    assert {key for key in asked if key.kind is CHECKPOINTS} == {Key(CHECKPOINTS, "team-a", "import")}
    assert len(asked) == 3


def test_what_is_remembered_of_a_job_goes_with_it(tmp_path: Path) -> None:
    """By uid: refusals and the time of the last cost; those of a job that is listed stay."""
    rig = Rig(Server(), tmp_path)
    for uid in (UID, "gone"):
        rig.applier.memories[uid] = Memory(start=refusal("quota", NOW))
        rig.jobs._cost_written[uid] = 1.0
    rig.once()
    assert list(rig.applier.memories) == list(rig.jobs._cost_written) == [UID]


SWEEPS = Kind("/apis/example.dev/v1", "sweeps")


class Sweeps:
    """A kind that this operator doesn't have."""

    kind = SWEEPS
    watches = (Watch(SWEEPS),)
    lists = (SWEEPS,)

    def __init__(self) -> None:
        self.seen: list[list[dict[str, Any]]] = []
        self.chores = (self._note,)

    def seen(self, body: dict[str, Any]) -> None:
        """Never called: nothing is watched here."""

    def is_urgent(self, body: dict[str, Any]) -> bool:
        """Nothing is."""
        return not body

    async def judge(self, _: ClusterListing) -> Callable[[dict[str, Any]], Awaitable[bool]]:
        """Every one of an even number needs a pass."""

        async def is_needed(body: dict[str, Any]) -> bool:
            return body["spec"]["number"] % 2 == 0

        return is_needed

    async def reconcile(self, namespace: str, name: str) -> None:
        """Never called: the queue is only asked."""

    async def _note(self, listing: ClusterListing) -> None:
        self.seen.append(listing.objects(SWEEPS))


def test_another_kind_is_one_more_controller(tmp_path: Path) -> None:
    """It is listed, judged, asked for and watched like the others; tick and queue stay as they are."""
    server, sweeps = Server(), Sweeps()
    server.lists[SWEEPS] = [
        {
            "metadata": {"name": f"sweep-{number}", "namespace": "team-a", "uid": f"{number}", "resourceVersion": "9"},
            "spec": {"number": number},
        }
        for number in range(3)
    ]
    rig = Rig(server, tmp_path, sweeps)
    asked = {key.name for key in rig.once() if key.kind is SWEEPS}
    assert asked == {"sweep-0", "sweep-2"}
    assert sweeps.seen == [server.lists[SWEEPS]]
    selectors = {handler.selector for handler in registry(rig.queue, rig.health)._watching.get_all_handlers()}
    assert "sweeps" in {str(selector and selector.any_name) for selector in selectors}
