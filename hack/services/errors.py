"""The one error that the services raise: a line that says what is wrong and what to do."""

from __future__ import annotations

from hack.cluster.progress import ClusterError


class ServiceError(ClusterError):
    """Postgres or S3 can't be started or reached; the message names the way out."""
