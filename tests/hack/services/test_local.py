"""A real S3 server without a cluster: it keeps what it is given and checks who asks."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest

from hack.services import LocalS3, local_s3
from tests.waiting import GUARD_SECONDS

pytestmark = pytest.mark.integration


def _client(server: LocalS3, secret: str | None = None) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=secret or server.secret_key,
    )


def test_objects_come_back_and_a_second_writer_is_refused(tmp_path: Path) -> None:
    """What is put is got; a conditional put of an existing key fails; each bucket is a folder."""
    with local_s3(tmp_path) as server:
        client = _client(server)
        client.create_bucket(Bucket="one")
        client.put_object(Bucket="one", Key="a/b", Body=b"content", IfNoneMatch="*")
        assert client.get_object(Bucket="one", Key="a/b")["Body"].read() == b"content"
        with pytest.raises(botocore.exceptions.ClientError, match="PreconditionFailed"):
            client.put_object(Bucket="one", Key="a/b", Body=b"other", IfNoneMatch="*")
        client.close()
    assert (tmp_path / "one" / "a" / "b").read_bytes() == b"content"


def test_wrong_secret_is_refused_and_keys_are_not_shown(tmp_path: Path) -> None:
    """The server checks signatures; the server's representation doesn't hold its secret."""
    with local_s3(tmp_path) as server:
        client = _client(server, secret="wrong")
        with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
            client.list_buckets()
        client.close()
        assert server.secret_key not in repr(server)


def test_two_servers_run_side_by_side_and_stop(tmp_path: Path) -> None:
    """Each has a port and a folder of its own; a stopped one answers no more."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = (local_s3(folder) for folder in folders)
    assert first.endpoint != second.endpoint
    first.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(first.endpoint, timeout=GUARD_SECONDS)
    with urllib.request.urlopen(f"{second.endpoint}/healthz", timeout=GUARD_SECONDS) as reply:
        assert reply.status == 200
    second.stop()
