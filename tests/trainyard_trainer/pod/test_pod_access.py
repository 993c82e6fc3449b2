"""What a pod would write to is tried before any work; the Secret or the bucket at fault is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.trainyard_trainer.pod.test_pod import World, keeping_the_log, mistake

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A pod takes the process's log over."""
    yield from keeping_the_log()


@pytest.fixture
def world(database: servers.Database, s3: servers.S3Server, tmp_path: Path) -> World:
    """A new one."""
    return World(database, s3, s3.make_bucket(), tmp_path)


def test_a_wrong_database_password_is_found_before_any_work(world: World) -> None:
    """The Secret is named, the password isn't."""
    dsn = world.database.trainer.replace(servers.PASSWORD, "wrong-horse")
    termination = mistake(world, {}, TRAINYARD_DATABASE_DSN=dsn)
    assert (termination.reason, termination.field_path, termination.value) == (
        "DatabaseRefused",
        "spec.database.secretRef.name",
        "trainyard-db",
    )
    assert "wrong-horse" not in termination.model_dump_json()


def test_an_empty_dsn_is_found_before_any_work(world: World) -> None:
    """A Secret with the key and no value."""
    assert mistake(world, {}, TRAINYARD_DATABASE_DSN="").reason == "DatabaseRefused"


def test_a_missing_bucket_is_found_before_any_work(world: World) -> None:
    """The bucket is named."""
    storage = {"everySteps": 2, "storage": {"s3": world.location | {"bucket": "nowhere"}}}
    termination = mistake(world, {"checkpoints": storage})
    assert (termination.reason, termination.field_path, termination.value) == (
        "StorageUnavailable",
        "spec.checkpoints.storage.s3.bucket",
        "nowhere",
    )


def test_refused_keys_are_found_before_any_work(world: World) -> None:
    """The Secret is named."""
    termination = mistake(world, {}, TRAINYARD_CHECKPOINTS_SECRET_ACCESS_KEY="wrong")
    assert (termination.field_path, termination.value) == (
        "spec.checkpoints.storage.s3.secretRef.name",
        "trainyard-s3",
    )


def test_a_pod_without_its_uid(world: World) -> None:
    """Files of two pods may never share a folder."""
    termination = mistake(world, {}, TRAINYARD_POD_UID="")
    assert (termination.reason, termination.field_path) == ("InvalidRunConfig", "TRAINYARD_POD_UID")
