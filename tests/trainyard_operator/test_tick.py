"""Claims about the tick: one job's trouble is that job's."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

from tests.trainyard_operator.bench import PRICES, training_job
from tests.trainyard_operator.builders import JOBS_POD_BODY, job_body
from trainyard_operator.cluster import kube
from trainyard_operator.cluster.kube import Kind, KubeError
from trainyard_operator.health import Health
from trainyard_operator.ledger.connection import Ledger
from trainyard_operator.ledger.steps import Steps
from trainyard_operator.metrics import Metrics
from trainyard_operator.money.prices import Prices
from trainyard_operator.queue import Queue
from trainyard_operator.settings import read_settings
from trainyard_operator.tick import Tick
from trainyard_operator.trainingjob.apply import Applier


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

    def ask(self, namespace: str, name: str) -> None:
        """Remembers."""
        self._again.add((namespace, name))


def test_a_job_that_cant_be_judged_gets_a_pass_and_hides_no_other(tmp_path: Path) -> None:
    """Cost and deadlines of all others go on, and the tick counts as done for liveness."""
    server: Any = Server()
    ledger, metrics, health = Ledger(tmp_path / "dsn"), Metrics(), Health(5)
    settings = read_settings({"TRAINYARD_TRAINER_IMAGE": "image"})
    applier = Applier(server, ledger, "image", "Never")
    queue = Asked(server, ledger, applier, Prices.model_validate(PRICES), settings, metrics)
    asyncio.run(Tick(queue, health, Steps(ledger, metrics)).once())
    assert queue._again == {("team-a", "sums"), ("team-a", "other")}
    assert health.listed
