"""Cost doesn't depend on the operator being alive: killed and restarted during a run, it changes no cent."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import psycopg
import pytest

from hack.demo.install import NAMESPACE as SYSTEM
from hack.kubectl import Kubectl, condition
from hack.services.connect import connect
from tests.e2e.manifests import NAMESPACE, example
from tests.e2e.waiting import apply, ended, pods, settled, stepping
from tests.waiting import WITHIN_GUARD, until

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

CORE_HOUR, GIB_HOUR = Decimal("1.00"), Decimal("0.10")


def _kill_operator(kubectl: Kubectl) -> None:
    kubectl("delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/name=trainyard", "--grace-period=0", "--force")


def _seconds(start: str, end: str) -> Decimal:
    return Decimal(str((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()))


def _expected(pod: dict[str, Any], cores: Decimal, gib: Decimal) -> Decimal:
    scheduled = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    finished = pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    rate = cores * CORE_HOUR + gib * GIB_HOUR
    cost = rate * _seconds(scheduled["lastTransitionTime"], finished) / 3600
    return cost.quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN)


def test_killing_the_operator_changes_no_cent(clean: Kubectl) -> None:
    """Killed twice mid-run, the settled sum is pod lifetime x rate to the last digit, in status and in Postgres."""
    apply(clean, example("calculator-sft", metadata__name="survivor"))
    stepping(clean, "survivor")
    _kill_operator(clean)
    until(lambda: True if _operator_ready(clean) else None, "the operator doesn't come back")
    _kill_operator(clean)
    found = ended(clean, "survivor")
    assert condition(found, "Succeeded")["reason"] == "Completed"
    cost = settled(clean, "survivor")
    all_pods = pods(clean, "survivor")
    assert len(all_pods) == 1
    expected = _expected(all_pods[0], Decimal("0.1"), Decimal(2))
    assert Decimal(cost["settledUSD"]) == expected
    assert Decimal(cost["spentUSD"]) >= Decimal(cost["settledUSD"])
    with psycopg.connect(connect(clean.cluster).operator_dsn) as database:
        rows = database.execute(
            "SELECT amount_usd FROM trainyard.pod_spend WHERE run_uid = %s", (found["metadata"]["uid"],)
        ).fetchall()
    assert rows == [(expected,)]


def _operator_ready(kubectl: Kubectl) -> bool:
    found = kubectl.items("pods", "-n", SYSTEM, "-l", "app.kubernetes.io/name=trainyard")
    return any(c["type"] == "Ready" and c["status"] == "True" for p in found for c in p["status"].get("conditions", []))


def test_a_deleted_job_saves_books_and_goes(clean: Kubectl) -> None:
    """Deleting a running job: its pod saves, the checkpoint becomes an object, spend is booked, all is released."""
    apply(clean, example("calculator-sft", metadata__name="deleted", spec__algorithm__sft__steps=5000))
    uid = stepping(clean, "deleted")["metadata"]["uid"]
    clean("delete", "trainingjobs.trainyard.dev", "deleted", "-n", NAMESPACE, WITHIN_GUARD)
    until(lambda: None if pods(clean, "deleted") else True, "its pods stay")
    stored = clean.items("checkpoints.trainyard.dev", "-n", NAMESPACE, "-l", "trainyard.dev/training-job=deleted")
    assert stored, "no checkpoint was made of the stop"
    with psycopg.connect(connect(clean.cluster).operator_dsn) as database:
        spend = database.execute("SELECT amount_usd FROM trainyard.pod_spend WHERE run_uid = %s", (uid,)).fetchall()
        newest = database.execute("SELECT max(step) FROM trainyard.checkpoints WHERE run_uid = %s", (uid,)).fetchone()
    assert len(spend) == 1
    assert spend[0][0] > 0
    assert newest is not None
    assert max(item["status"]["step"] for item in stored) == newest[0]
