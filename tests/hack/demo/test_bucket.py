"""A person's client reaches the bucket of the services."""

from __future__ import annotations

from hack.demo.bucket import s3_client
from hack.services.connect import Connections


def test_the_bucket_is_a_part_of_the_path() -> None:
    """No name server knows a host for each bucket; the keys are those of the services, not of the environment."""
    client = s3_client(Connections("dsn", "http://127.0.0.1:7070", "trainyard", "ACCESS", "secret"))
    url = client.generate_presigned_url("get_object", Params={"Bucket": "trainyard", "Key": "a/b"})
    assert url.startswith("http://127.0.0.1:7070/trainyard/a/b?")
    assert "ACCESS" in url
    assert "secret" not in url
    client.close()
