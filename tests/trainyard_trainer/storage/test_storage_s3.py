"""A bucket: the user's mistakes name their field, an unreachable server is none, and content is verified."""

from __future__ import annotations

import socket

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests import servers
from tests.claims.stalling import FrontDoor
from trainyard_api.model_source import S3Location, SecretReference
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError
from trainyard_trainer.storage.storage_s3 import Credentials, Fields, S3Storage

pytestmark = pytest.mark.integration

FIELD = "spec.checkpoints.storage.s3"


def bucket_at(endpoint: str, bucket: str, access: str, secret: str, prefix: str = "") -> S3Storage:
    """A storage over one bucket."""
    location = S3Location(
        bucket=bucket, prefix=prefix, endpoint=endpoint, secret_ref=SecretReference(name="trainyard-s3")
    )
    return S3Storage(location, Credentials(access, secret), Fields.below(FIELD))


def refusal_of(storage: S3Storage) -> RefusedError:
    """What a check of it raises."""
    with pytest.raises(RefusedError) as refused:
        storage.check(write=True)
    storage.close()
    return refused.value


def test_a_missing_bucket_names_the_bucket(s3: servers.S3Server) -> None:
    """The field, the server and the bucket's name stand in the message."""
    error = refusal_of(bucket_at(s3.endpoint, "nowhere", s3.access_key, s3.secret_key))
    assert error.reason == TerminationReason.STORAGE_UNAVAILABLE
    assert str(error) == f"{FIELD}.bucket: the bucket must exist at {s3.endpoint}; got 'nowhere'"


@pytest.mark.parametrize("wrong", ["access", "secret"])
def test_refused_credentials_name_the_secret_and_not_the_keys(s3: servers.S3Server, wrong: str) -> None:
    """A wrong key of either kind."""
    access = "nobody" if wrong == "access" else s3.access_key
    secret = "not-the-key" if wrong == "secret" else s3.secret_key
    error = refusal_of(bucket_at(s3.endpoint, s3.make_bucket(), access, secret))
    assert error.reason == TerminationReason.STORAGE_UNAVAILABLE
    assert (error.field_path, error.value) == (f"{FIELD}.secretRef.name", "trainyard-s3")
    assert access not in str(error)
    assert secret not in str(error)


def test_an_upload_into_a_missing_bucket_is_refused_too(s3: servers.S3Server) -> None:
    """The bucket may go while a run is on its way."""
    storage = bucket_at(s3.endpoint, "nowhere", s3.access_key, s3.secret_key)
    with pytest.raises(RefusedError, match="the bucket must exist"):
        storage.put("key", b"content")
    with pytest.raises(RefusedError, match="the bucket must exist"):
        storage.put("key", b"content" * 3_000_000)
    storage.close()


def test_what_is_refused_after_an_upload_ends_no_run_for_good(s3: servers.S3Server) -> None:
    """Keys were rotated, or the bucket is being moved: a crash, after which another attempt reads the Secret anew."""
    bucket = s3.make_bucket()
    storage = bucket_at(s3.endpoint, bucket, s3.access_key, s3.secret_key)
    rotated = bucket_at(s3.endpoint, bucket, s3.access_key, "not-the-key")
    storage.put("key", b"content")
    storage._uploads, good = rotated._uploads, storage._uploads
    with pytest.raises(PermissionError, match="trainyard-s3"):
        storage.put("other", b"content")
    storage._uploads = good
    storage.put("other", b"content")
    (s3.root / bucket).rename(s3.root / f"{bucket}-moved")
    with pytest.raises(PermissionError, match="the bucket must exist"):
        storage.put("third", b"content")
    storage.close()


def test_an_unreachable_server_is_not_the_users_mistake() -> None:
    """A crash, which another attempt may survive."""
    storage = bucket_at("http://127.0.0.1:1", "bucket", "access", "secret")
    with pytest.raises(EndpointConnectionError):
        storage.check(write=False)
    storage.close()


@pytest.mark.parametrize("size", [7, 20_000_000])
def test_an_upload_outlives_a_server_that_is_away_for_a_minute(
    s3: servers.S3Server, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens; what would wait for an answer tells its user after seconds."""
    slept: list[float] = []
    doors: list[FrontDoor] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", slept.append)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    storage = bucket_at(f"http://127.0.0.1:{port}", s3.make_bucket(), s3.access_key, s3.secret_key)
    with pytest.raises(EndpointConnectionError):
        storage.get("key")
    assert (len(slept), sum(slept) < 40) == (5, True)

    def comes_back(seconds: float) -> None:
        slept.append(seconds)
        if sum(slept) > 60 and not doors:
            doors.append(FrontDoor(s3.endpoint, port))

    slept.clear()
    monkeypatch.setattr("botocore.endpoint.time.sleep", comes_back)
    storage.put("key", bytes(size))
    assert sum(slept) > 60
    assert storage.get("key") == bytes(size)
    storage.close()
    doors[0].close()


def test_the_server_verifies_what_it_is_sent(s3: servers.S3Server) -> None:
    """Each upload carries its SHA-256, and the server refuses content of another one."""
    storage = bucket_at(s3.endpoint, s3.make_bucket(), s3.access_key, s3.secret_key)
    storage.put("key", b"content")
    reply = storage._client.head_object(Bucket=storage._bucket, Key="key", ChecksumMode="ENABLED")
    assert reply["ChecksumSHA256"] == "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M="
    with pytest.raises(ClientError, match="BadDigest"):
        storage._client.put_object(
            Bucket=storage._bucket, Key="bad", Body=b"other", ChecksumSHA256=reply["ChecksumSHA256"]
        )
    storage.close()


def test_the_address_is_the_buckets_whatever_the_prefix(s3: servers.S3Server) -> None:
    """Keys count from the bucket's root, so that a URI means the same to every reader."""
    storage = bucket_at(s3.endpoint, "bucket", s3.access_key, s3.secret_key, prefix="demo")
    assert storage.uri("demo/x") == "s3://bucket/demo/x"
    storage.close()


def test_credentials_do_not_show() -> None:
    """Neither in a log line nor in a traceback with values."""
    assert "secret" not in repr(Credentials("access", "secret"))
