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
from hack.services import credentials, database, manifests, names
from hack.services.errors import ServiceError
from hack.services.kubectl import run, secret, the_cluster

if TYPE_CHECKING:
    from pathlib import Path

    from hack.cluster.state import ClusterState
    from hack.services.credentials import Credentials

_READY_WITHIN = "180s"


def up() -> None:
    """Postgres and S3 ready, with their roles, database, bucket and Secrets.

    Raises:
        ServiceError: no cluster is up, or a step failed.
        ImageError: the images were not built yet.
    """
    cluster = the_cluster()
    images = load_refs()
    storage = _storage(cluster)
    known = secret(cluster, names.NAMESPACE, names.CREDENTIALS)
    account = credentials.read(known) if known else credentials.draw()
    wanted = {"apiVersion": "v1", "kind": "List", "items": manifests.objects(account, images, storage)}
    apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=trainyard-services", "--filename=-")
    run(cluster, *apply, stdin=json.dumps(wanted))
    for name in (names.POSTGRES, names.S3):
        say(f"services: waiting for {name}")
        _wait(cluster, name)
    _make_roles(cluster, account)
    _make_bucket(cluster, account)
    say(f"services: ready: {names.POSTGRES}.{names.NAMESPACE}.svc:{names.POSTGRES_PORT} and {names.endpoint()}")


def down() -> None:
    """Deletes the services, their data and their Secrets; the namespaces of the operator and the team stay.

    Raises:
        ServiceError: no cluster is up, or it refused.
    """
    cluster = the_cluster()
    run(cluster, "delete", "namespace", names.NAMESPACE, "--ignore-not-found", "--wait")
    for namespace, name in manifests.secret_names():
        run(cluster, "delete", "secret", name, "--namespace", namespace, "--ignore-not-found")
    storage = _folder()
    if cluster.kind == "local" and storage.exists():
        shutil.rmtree(storage)
    say("services: gone, with their data")


def _folder() -> Path:
    return layout.cluster() / "services"


def _storage(cluster: ClusterState) -> Path | None:
    """The data's folder, where the node is this machine; its pods own it."""
    if cluster.kind != "local":
        return None
    for name in (names.POSTGRES, names.S3):
        folder = _folder() / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        os.chown(folder, manifests.USER, manifests.USER)
    return _folder()


def _wait(cluster: ClusterState, name: str) -> None:
    try:
        run(
            cluster,
            *("rollout", "status", f"statefulset/{name}", "--namespace", names.NAMESPACE, f"--timeout={_READY_WITHIN}"),
        )
    except ServiceError as error:
        pods = run(cluster, "get", "pods", "--namespace", names.NAMESPACE)
        raise ServiceError(f"services: {name}: not ready: {error}\n{pods}") from None


def _make_roles(cluster: ClusterState, account: Credentials) -> None:
    psql = ("psql", "--host=/tmp", "--username=postgres", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
    pod = ("exec", "--stdin", f"{names.POSTGRES}-0", "--namespace", names.NAMESPACE, "--")
    run(cluster, *pod, *psql, stdin=database.setup(account))


def _make_bucket(cluster: ClusterState, account: Credentials) -> None:
    pod = ("exec", f"{names.S3}-0", "--namespace", names.NAMESPACE, "--")
    admin = ("/versitygw", "admin", "--endpoint-url", f"http://127.0.0.1:{names.S3_PORT}")
    try:
        run(cluster, *pod, *admin, "create-bucket", "--owner", account.access_key, "--bucket", names.BUCKET)
    except ServiceError as error:
        if "BucketAlreadyOwnedByYou" not in str(error):
            raise
