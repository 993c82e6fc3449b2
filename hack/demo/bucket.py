"""The bucket as a person with its keys sees it."""

from __future__ import annotations

import boto3
from botocore.config import Config
from types_boto3_s3 import S3Client

from hack.services.connect import Connections


def s3_client(services: Connections) -> S3Client:
    """Makes a client of the S3 server that the services run."""
    return boto3.client(
        "s3",
        endpoint_url=services.endpoint,
        region_name="us-east-1",
        aws_access_key_id=services.access_key,
        aws_secret_access_key=services.secret_key,
        config=Config(s3={"addressing_style": "path"}),
    )
