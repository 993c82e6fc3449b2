"""On a plane, Jobs make pods and nodes take them; the operator of the checkout that is named makes the Jobs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.bench.burst.__main__ import HERE
from hack.bench.burst.engines import jobs_alone, operator
from hack.bench.burst.kwok import Kwok
from hack.bench.burst.plane import NODES, Plane, plane
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A plane whose nodes nobody plays: it needs no kwok, and pods wait for nodes to be ready."""
    folder = tmp_path_factory.mktemp("burst")
    idle = Kwok(folder)
    idle.program.write_text("#!/bin/sh\nexec sleep infinity\n")
    idle.program.chmod(0o755)
    with plane(folder / "plane", idle) as made:
        yield made


def names(plane: Plane) -> set[str]:
    """Returns what the pods' Jobs are called."""
    return {pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] for pod in plane.pods()}


def test_nodes_have_room_and_bare_jobs_make_pods(running: Plane, tmp_path: Path) -> None:
    """Creates the nodes, and one pod for a Job."""
    nodes = running._send("GET", "/api/v1/nodes")["items"]
    assert [node["status"]["allocatable"]["pods"] for node in nodes] == ["10k"] * NODES
    with jobs_alone(running, tmp_path) as engine:
        assert engine.pid is None
        running.create(engine.path, engine.made("bare"))
    until(lambda: "bare" in names(running), "the Job made no pod")


def test_the_operator_makes_pods_and_its_writes_are_counted(running: Plane, tmp_path: Path) -> None:
    """Starts this checkout's operator with a database of its own; a TrainingJob becomes a Job with a pod."""
    with operator(HERE, running, tmp_path) as engine:
        before = running.writes()
        running.create(engine.path, engine.made("trained"))
        until(lambda: "trained-1" in names(running), (tmp_path / "operator.log").read_text)
        assert running.writes() > before + 1
        assert Path(f"/proc/{engine.pid}").exists()
    assert not Path(f"/proc/{engine.pid}").exists()


def test_an_operator_that_does_not_start_is_named(running: Plane, tmp_path: Path) -> None:
    """Runs the code of the checkout that is given, and says how that ended."""
    package = tmp_path / "root" / "operator" / "trainyard_operator"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("raise SystemExit('another operator')")
    definitions = tmp_path / "root" / "crds"
    definitions.mkdir()
    (definitions / "kind.yaml").write_text(
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "instead-of-a-kind"}}'
    )
    with pytest.raises(RuntimeError, match="another operator"), operator(tmp_path / "root", running, tmp_path):
        pass


def test_a_refusal_is_an_error(running: Plane) -> None:
    """Raises what the API server said about an object."""
    with pytest.raises(OSError, match="must be answered with 2xx; got 4"):
        running.create("/api/v1/namespaces", {"metadata": {"name": "Not A Name"}})
