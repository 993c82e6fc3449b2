"""Postgres and S3 in the cluster: reachable by what `connect` says, with data and passwords that outlive their pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import psycopg
import pytest

from hack.cluster.__main__ import up
from hack.images import build
from hack.kubectl import Kubectl
from hack.services import Connections, connect, lifecycle, names
from tests.waiting import WITHIN_GUARD

pytestmark = [pytest.mark.e2e, pytest.mark.alone]
KEY = "service-tests/kept"


@pytest.fixture(scope="module")
def services() -> Connections:
    """The services that are up."""
    up()
    build.build()
    lifecycle.up()
    return connect()


@pytest.fixture
def s3(services: Connections) -> Iterator[Any]:
    """A client with the team's keys."""
    client = boto3.client(
        "s3",
        endpoint_url=services.endpoint,
        region_name="us-east-1",
        aws_access_key_id=services.access_key,
        aws_secret_access_key=services.secret_key,
    )
    yield client
    client.delete_object(Bucket=services.bucket, Key=KEY)
    client.close()


def _made(kubectl: Kubectl) -> set[tuple[str, int]]:
    """Each object that runs the services, and how often what is wanted of it has changed."""
    found = kubectl.items("pods,statefulsets,services", "-n", names.NAMESPACE)
    return {(each["metadata"]["uid"], each["metadata"].get("generation", 0)) for each in found}


def test_second_up_changes_nothing(services: Connections) -> None:
    """Passwords stay, pods stay, and nothing is made anew or changed."""
    kubectl = Kubectl.current()
    before = _made(kubectl)
    lifecycle.up()
    assert connect() == services
    assert _made(kubectl) == before


def test_data_outlives_the_pods(services: Connections, s3: Any) -> None:
    """Rows and objects are there after both pods were deleted and replaced."""
    kubectl = Kubectl.current()
    with psycopg.connect(services.operator_dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS service_tests_kept (value int)")
        connection.execute("INSERT INTO service_tests_kept VALUES (7)")
    s3.put_object(Bucket=services.bucket, Key=KEY, Body=b"kept")
    kubectl("delete", "pods", "--all", "-n", names.NAMESPACE, WITHIN_GUARD)
    lifecycle.up()
    with psycopg.connect(services.operator_dsn) as connection:
        assert connection.execute("SELECT DISTINCT value FROM service_tests_kept").fetchall() == [(7,)]
        connection.execute("DROP TABLE service_tests_kept")
    assert s3.get_object(Bucket=services.bucket, Key=KEY)["Body"].read() == b"kept"


def test_wrong_password_is_refused_over_the_network(services: Connections) -> None:
    """The server trusts its own socket only."""
    wrong = services.operator_dsn.replace("trainyard_operator:", "trainyard_operator:wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    superuser = wrong.replace("trainyard_operator:", "postgres:")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(superuser)
