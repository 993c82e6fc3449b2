"""How programs on this machine reach the services: DSNs, keys, endpoint, from Secrets and Services.

The local cluster's Service addresses are reachable from its own machine. Starts nothing, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hack.kubectl import Kubectl
from hack.services import credentials, names
from hack.services.cluster import secret, the_cluster
from hack.services.errors import ServiceError

if TYPE_CHECKING:
    from hack.cluster.state import ClusterState


@dataclass(frozen=True)
class Connections:
    """The services as seen from this machine."""

    operator_dsn: str = field(repr=False)
    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)


def connect(cluster: ClusterState | None = None) -> Connections:
    """Finds addresses and accounts of the services that are up.

    Raises:
        ServiceError: no cluster is up, or the services are not.
        CommandError: the API server refused.
    """
    kubectl = Kubectl(cluster) if cluster else the_cluster()
    known = secret(kubectl, names.NAMESPACE, names.CREDENTIALS)
    if known is None:
        raise ServiceError("services: not up; run python -m hack.services up")
    account = credentials.read(known)
    postgres = _address(kubectl, names.POSTGRES)
    return Connections(
        operator_dsn=names.dsn(names.OPERATOR_ROLE, account.operator_password, postgres),
        endpoint=names.endpoint(_address(kubectl, names.S3)),
        bucket=names.BUCKET,
        access_key=account.access_key,
        secret_key=account.secret_key,
    )


def _address(kubectl: Kubectl, name: str) -> str:
    return str(kubectl.json("get", "service", name, "--namespace", names.NAMESPACE)["spec"]["clusterIP"])
