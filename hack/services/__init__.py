"""Postgres and S3 for the test cluster and the tests: real servers, in pods or on this machine's loopback.

Run as `python -m hack.services up|down`. Nothing of it is part of the product that users install.
"""

from hack.services.connect import Connections, connect
from hack.services.errors import ServiceError
from hack.services.local import LocalS3, local_s3

__all__ = ["Connections", "LocalS3", "ServiceError", "connect", "local_s3"]
