"""What the services are made of, as Kubernetes objects: two StatefulSets of one pod each, Services, Secrets.

Pure: nothing is applied here. Data lies on the node's disk, in a folder of the cluster's: it outlives the pods and goes
with the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hack.services import names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hack.services.credentials import Credentials

USER = 65532
_DATA = "/data"
_PARTS = {"app.kubernetes.io/part-of": "trainyard-test-services"}
_BIN = "/usr/lib/postgresql/*/bin"


def objects(credentials: Credentials, images: Mapping[str, str], storage: Path | None) -> list[dict[str, Any]]:
    """Makes everything that `up` applies, in order.

    Args:
        credentials: the passwords.
        images: references of `postgres` and `s3`.
        storage: the node's folder with one folder per service; None asks the cluster for volumes.
    """
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in (names.NAMESPACE, names.SYSTEM_NAMESPACE, names.TEAM_NAMESPACE)
    ]
    return [
        *namespaces,
        *_secrets(credentials),
        _service(names.POSTGRES, names.POSTGRES_PORT),
        _service(names.S3, names.S3_PORT),
        _stateful_set(names.POSTGRES, _postgres(images["postgres"]), storage),
        _stateful_set(names.S3, _s3(images["s3"]), storage),
    ]


def secret_names() -> list[tuple[str, str]]:
    """Lists namespace and name of the Secrets outside the services' own namespace."""
    return [
        (names.SYSTEM_NAMESPACE, names.OPERATOR_SECRET),
        (names.TEAM_NAMESPACE, names.TEAM_SECRET),
        (names.TEAM_NAMESPACE, names.TEAM_S3_SECRET),
    ]


def _secrets(credentials: Credentials) -> list[dict[str, Any]]:
    keys = {"AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key}
    entries = [
        (names.NAMESPACE, names.CREDENTIALS, credentials.as_data()),
        (
            names.SYSTEM_NAMESPACE,
            names.OPERATOR_SECRET,
            {"dsn": names.dsn(names.OPERATOR_ROLE, credentials.operator_password)},
        ),
        (names.TEAM_NAMESPACE, names.TEAM_SECRET, {"dsn": names.dsn(names.TEAM_ROLE, credentials.team_password)}),
        (names.TEAM_NAMESPACE, names.TEAM_S3_SECRET, keys),
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": namespace, "name": name, "labels": _PARTS},
            "stringData": data,
        }
        for namespace, name, data in entries
    ]


def _service(name: str, port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": names.NAMESPACE, "name": name, "labels": _PARTS},
        "spec": {"selector": {"app.kubernetes.io/name": name}, "ports": [{"name": name, "port": port}]},
    }


def _postgres(image: str) -> dict[str, Any]:
    ready = ["sh", "-c", f"{_BIN}/pg_isready --quiet --host=/tmp"]
    return {
        "image": image,
        "ports": [{"containerPort": names.POSTGRES_PORT}],
        "readinessProbe": {"exec": {"command": ready}, "periodSeconds": 1, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
    }


def _s3(image: str) -> dict[str, Any]:
    def key(entry: str) -> dict[str, Any]:
        return {"secretKeyRef": {"name": names.CREDENTIALS, "key": entry}}

    access, secret = key("access_key"), key("secret_key")
    return {
        "image": image,
        "args": ["--port", f":{names.S3_PORT}", "--health", "/healthz", "--quiet", "posix", _DATA],
        "ports": [{"containerPort": names.S3_PORT}],
        "env": [
            {"name": "ROOT_ACCESS_KEY", "valueFrom": access},
            {"name": "ROOT_SECRET_KEY", "valueFrom": secret},
            # For the administrator's command in the same container, by which the bucket is made.
            {"name": "ADMIN_ACCESS_KEY_ID", "valueFrom": access},
            {"name": "ADMIN_SECRET_ACCESS_KEY", "valueFrom": secret},
        ],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": names.S3_PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
    }


def _stateful_set(name: str, container: dict[str, Any], storage: Path | None) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name, **_PARTS}
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    claims: list[dict[str, Any]] = []
    if storage:
        volumes.append({"name": "data", "hostPath": {"path": str(storage / name), "type": "Directory"}})
    else:
        size = {"requests": {"storage": "10Gi"}}
        claims.append({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": size}})
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"namespace": names.NAMESPACE, "name": name, "labels": labels},
        "spec": {
            "serviceName": name,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {"metadata": {"labels": labels}, "spec": _pod(name, container, volumes)},
            "volumeClaimTemplates": claims,
        },
    }


def _pod(name: str, container: dict[str, Any], volumes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": name,
                **container,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "data", "mountPath": _DATA}, {"name": "tmp", "mountPath": "/tmp"}],
            }
        ],
        "volumes": volumes,
    }
