"""What the services ask of the cluster that is up: which one it is, and what a Secret of theirs holds."""

from __future__ import annotations

import base64
import json

from hack.cluster import state
from hack.kubectl import Kubectl
from hack.services.errors import ServiceError


def the_cluster() -> Kubectl:
    """Returns the programs bound to the cluster that is up.

    Raises:
        ServiceError: none is.
    """
    cluster = state.load()
    if cluster is None:
        raise ServiceError("services: no cluster is up; run make cluster-up first")
    return Kubectl(cluster)


def secret(kubectl: Kubectl, namespace: str, name: str) -> dict[str, str] | None:
    """Reads a Secret's entries; None where there is none.

    Raises:
        CommandError: the API server refused.
    """
    found = kubectl("get", "secret", name, "--namespace", namespace, "--ignore-not-found", "--output=json")
    data = (json.loads(found).get("data") or {}) if found.strip() else None
    return None if data is None else {key: base64.b64decode(value).decode() for key, value in data.items()}
