"""One bench for all integration tests of the operator."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hack.cluster.controlplane import control_plane
from tests.servers import Database, postgres
from tests.trainyard_operator.bench import NAMESPACE, Api, Bench, Operator, install_crds, restricted_kubeconfig
from trainyard_operator.cluster.kube import NAMESPACES


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="session")
def operator_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A control plane, a database and a running operator with the rights of its chart alone."""
    directory = tmp_path_factory.mktemp("operator-plane")
    with control_plane(directory) as plane, postgres() as server:
        api = Api(plane.kubeconfig, directory / "logs" / "audit.log")
        install_crds(api)
        api.create(NAMESPACES, {"metadata": {"name": NAMESPACE}}, None)
        kubeconfig = restricted_kubeconfig(api, directory / "operator.kubeconfig")
        dsn = server.empty_database()
        health, metrics = free_ports(2)
        operator = Operator(directory / "operator", kubeconfig, dsn, (health, metrics))
        operator.start()
        try:
            yield Bench(api, operator, Database(dsn, ""))
        finally:
            operator.kill()


@pytest.fixture
def bench(operator_bench: Bench) -> Bench:
    """The bench, with its operator running."""
    return operator_bench.awake()
