"""Brings Postgres and S3 up in the cluster, and takes them away: apply, wait, make roles, database and bucket.

Level-triggered: `up` may run at any time, and after any failure; it changes what differs. Which objects and which
SQL is decided elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from hack.cluster import layout
from hack.cluster.progress import say
from hack.images import load_refs
from hack.kubectl import CommandError, Kubectl
from hack.services import credentials, database, manifests, names
from hack.services.cluster import secret, the_cluster
from hack.services.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

    from hack.cluster.state import ClusterState
    from hack.services.credentials import Credentials

_READY_WITHIN = "180s"


def up() -> None:
    """Brings up Postgres and S3 with their roles, database, bucket and Secrets.

    Raises:
        ServiceError: no cluster is up, or a server does not become ready.
        CommandError: the cluster refused a step.
        ImageError: the images were not built yet.
    """
    kubectl = the_cluster()
    images = load_refs()
    storage = _storage(kubectl.cluster)
    known = secret(kubectl, names.NAMESPACE, names.CREDENTIALS)
    account = credentials.read(known) if known else credentials.draw()
    wanted = {"apiVersion": "v1", "kind": "List", "items": manifests.objects(account, images, storage)}
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=trainyard-services", "--filename=-")
    kubectl(*apply, stdin=json.dumps(wanted))
    for name in (names.POSTGRES, names.S3):
        say(f"services: waiting for {name}")
        _wait(kubectl, name)
    _make_roles(kubectl, account)
    _make_bucket(kubectl, account)
    say(f"services: ready: {names.POSTGRES}.{names.NAMESPACE}.svc:{names.POSTGRES_PORT} and {names.endpoint()}")


def down() -> None:
    """Deletes the services, their data and their Secrets; the namespaces of the operator and the team stay.

    Raises:
        ServiceError: no cluster is up.
        CommandError: it refused.
    """
    kubectl = the_cluster()
    kubectl("delete", "namespace", names.NAMESPACE, "--ignore-not-found", "--wait")
    for namespace, name in manifests.secret_names():
        kubectl("delete", "secret", name, "--namespace", namespace, "--ignore-not-found")
    storage = _folder()
    if kubectl.cluster.kind == "local" and storage.exists():
        shutil.rmtree(storage)
    say("services: gone, with their data")


def _folder() -> Path:
    return layout.cluster() / "services"


def _storage(cluster: ClusterState) -> Path | None:
    """Returns the data's folder, where the node is this machine; its pods own it."""
    if cluster.kind != "local":
        return None
    for name in (names.POSTGRES, names.S3):
        folder = _folder() / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        os.chown(folder, manifests.USER, manifests.USER)
    return _folder()


def _wait(kubectl: Kubectl, name: str) -> None:
    try:
        kubectl(
            *("rollout", "status", f"statefulset/{name}", "--namespace", names.NAMESPACE, f"--timeout={_READY_WITHIN}"),
        )
    except CommandError as error:
        pods = kubectl("get", "pods", "--namespace", names.NAMESPACE)
        raise ServiceError(f"services: {name}: not ready: {error}\n{pods}") from None


def _make_roles(kubectl: Kubectl, account: Credentials) -> None:
    psql = ("psql", "--host=/tmp", "--username=postgres", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
    pod = ("exec", "--stdin", f"{names.POSTGRES}-0", "--namespace", names.NAMESPACE, "--")
    kubectl(*pod, *psql, stdin=database.setup(account))


def _make_bucket(kubectl: Kubectl, account: Credentials) -> None:
    pod = ("exec", f"{names.S3}-0", "--namespace", names.NAMESPACE, "--")
    admin = ("/versitygw", "admin", "--endpoint-url", f"http://127.0.0.1:{names.S3_PORT}")
    try:
        kubectl(*pod, *admin, "create-bucket", "--owner", account.access_key, "--bucket", names.BUCKET)
    except CommandError as error:
        if "BucketAlreadyOwnedByYou" not in str(error):
            raise
