"""What Prometheus sees of the operator and of the jobs it runs.

Place in the data's way: beside station 12. Series of a job are made from the newest list of jobs at each scrape, so
that they vanish with the job. Served on a port of its own, by a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from trainyard_api.conditions import ConditionType
from trainyard_operator.cluster.clock import parse_time
from trainyard_operator.ledger.rows import StepRow

_HOURS: Final = 3600.0
_DURATIONS: Final = tuple(_HOURS * hours for hours in (1 / 60, 1 / 12, 0.5, 1, 2, 4, 8, 24, 72, 168))
_STEP_DURATIONS: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)


class Metrics:
    """All series of this process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._jobs = _JobCollector()
        self.registry.register(self._jobs)
        self._created = Counter("training_jobs_created", "TrainingJobs seen for the first time", registry=self.registry)
        self._completed = Counter("training_jobs_completed", "TrainingJobs that succeeded", registry=self.registry)
        self._failed = Counter("training_jobs_failed", "TrainingJobs that failed", registry=self.registry)
        self._duration = Histogram(
            "training_job_duration_seconds",
            "Time from the first attempt's start to the end of the job",
            buckets=_DURATIONS,
            registry=self.registry,
        )
        self._iteration, self._generation, self._update = (
            Histogram(name, text, buckets=_STEP_DURATIONS, registry=self.registry)
            for name, text in (
                ("training_iteration_duration_seconds", "Duration of a training step"),
                ("training_trajectory_generation_duration_seconds", "Duration of a step's rollouts"),
                ("training_policy_update_duration_seconds", "Duration of a step's updates"),
            )
        )
        self._passes = Counter(
            "trainyard_reconcile_passes", "Reconcile passes by result", ("result",), registry=self.registry
        )
        self._pass_seconds = Histogram(
            "trainyard_reconcile_duration_seconds", "Duration of a reconcile pass", registry=self.registry
        )
        self._tick_seconds = Histogram(
            "trainyard_tick_duration_seconds", "Duration of a look at all jobs", registry=self.registry
        )

    def step_seen(self, row: StepRow) -> None:
        """Shows what was measured of a run's newest step."""
        self._jobs.steps = {**self._jobs.steps, row.run_uid: row}

    def forget_steps(self, running: set[str]) -> None:
        """Forgets what was measured of runs that have ended."""
        self._jobs.steps = {uid: row for uid, row in self._jobs.steps.items() if uid in running}

    def step_done(self, timing: StepRow) -> None:
        """Counts a training step of any job."""
        for histogram, seconds in (
            (self._iteration, timing.step_seconds),
            (self._generation, timing.rollout_seconds),
            (self._update, timing.update_seconds),
        ):
            if seconds is not None:
                histogram.observe(seconds)

    def serve(self, port: int) -> tuple[WSGIServer, threading.Thread]:
        """Serves /metrics on all addresses until the server that it returns is shut down."""
        return start_http_server(port, registry=self.registry)

    def listed(self, bodies: Iterable[dict[str, Any]]) -> None:
        """Takes the newest list of all TrainingJobs."""
        self._jobs.bodies = list(bodies)

    def tick_done(self, seconds: float) -> None:
        """Counts a look at all jobs."""
        self._tick_seconds.observe(seconds)

    def pass_done(self, result: str, seconds: float) -> None:
        """Counts a pass: ok, conflict or error."""
        self._passes.labels(result).inc()
        self._pass_seconds.observe(seconds)

    def job_changed(self, former: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Counts what a pass has changed in a job's life.

        Args:
            former: the TrainingJob's status before the pass, in its wire form.
            status: the operator's part of it after the pass.
        """
        before, after = _summary(former), _summary(status)
        if not before and after:
            self._created.inc()
        if before.get("status", "Unknown") != "Unknown" or after.get("status", "Unknown") == "Unknown":
            return
        (self._completed if after["status"] == "True" else self._failed).inc()
        start, end = status.get("startTime"), status.get("completionTime")
        if start and end:
            self._duration.observe((parse_time(end) - parse_time(start)).total_seconds())


class _JobCollector(Collector):
    """Gauges of the jobs in the newest list."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.steps: Mapping[str, StepRow] = {}
        """Run uid → its newest step; replaced, never changed: another thread reads it."""

    def collect(self) -> Iterator[Metric]:
        labels = ("namespace", "name")
        usage = GaugeMetricFamily("training_budget_usage_dollars", "US dollars spent by a job", labels=labels)
        limit = GaugeMetricFamily("training_budget_limit_dollars", "US dollars that a job may cost", labels=labels)
        active = 0
        for body in self.bodies:
            status, metadata = body.get("status", {}), body["metadata"]
            active += _summary(status).get("status", "Unknown") == "Unknown"
            key = [metadata["namespace"], metadata["name"]]
            if "spentUSD" in status.get("cost", {}):
                usage.add_metric(key, float(status["cost"]["spentUSD"]))
            if "limitUSD" in status.get("budget", {}):
                limit.add_metric(key, float(status["budget"]["limitUSD"]))
        yield GaugeMetricFamily("training_jobs_active", "TrainingJobs that have not ended", value=active)
        yield usage
        yield limit
        yield self._newest_steps()

    def _newest_steps(self) -> Metric:
        labels = ("namespace", "name", "measurement")
        text = "What was measured of the newest step of a running job: reward_mean, kl, entropy, ..."
        family = GaugeMetricFamily("trainyard_step_measurement", text, labels=labels)
        for row in self.steps.values():
            # A trainer may call a measurement of its own so; a name that comes twice makes a scrape invalid.
            for name, value in {**row.measurements, "step": row.step}.items():
                family.add_metric([row.namespace, row.name, name], value)
        return family


def _summary(status: Mapping[str, Any]) -> dict[str, Any]:
    return next((c for c in status.get("conditions") or () if c["type"] == ConditionType.SUCCEEDED), {})
