"""Claims about the tick: one object's trouble is that object's, and what is gone is forgotten."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

from tests.trainyard_operator.bench import PRICES, training_job
from tests.trainyard_operator.builders import JOBS_POD_BODY, UID, checkpoint, claim, job_body
from trainyard_operator.checkpoint.controller import CheckpointController
from trainyard_operator.cluster import kube
from trainyard_operator.cluster.kube import CHECKPOINTS, TRAINING_JOBS, Kind, KubeError
from trainyard_operator.health import Health
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.queue import Key, Queue
from trainyard_operator.tick import Tick
from trainyard_operator.trainingjob.apply.applier import Applier
from trainyard_operator.trainingjob.controller import TrainingJobController


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

    def ask(self, key: Key) -> None:
        """Remembers."""
        self._again.add(key)


class Rig:
    """A tick over a server, with a ledger that is away."""

    def __init__(self, server: Any, directory: Path) -> None:
        ledger, metrics, self.health = Ledger(directory / "dsn"), Metrics(), Health(5)
        self.applier = Applier(server, ledger, "image", "Never")
        self.jobs = TrainingJobController(
            kube=server,
            ledger=ledger,
            applier=self.applier,
            prices=Prices.model_validate(PRICES),
            trainer_image="image",
            read_nodes=True,
            metrics=metrics,
            steps=Steps(ledger, metrics),
        )
        self.queue = Asked({TRAINING_JOBS: self.jobs, CHECKPOINTS: CheckpointController(server)}, metrics)
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
        rig.applier.refusals[uid] = {"s3://x": "refused"}
        rig.jobs._cost_written[uid] = 1.0
    rig.once()
    assert list(rig.applier.refusals) == list(rig.jobs._cost_written) == [UID]
