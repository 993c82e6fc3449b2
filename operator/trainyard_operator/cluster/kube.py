"""The API server, as far as the operator needs it: get, list, create, apply, delete, finalizers, events.

Place in the data's way: the edge of stations 2, 3, 9 and 11. The only module that imports the kubernetes client;
objects are plain JSON. Decides nothing. Every call is one request; none is retried here, for the next pass looks again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

import urllib3
from kubernetes import client, config
from kubernetes.config.config_exception import ConfigException

from trainyard_operator.errors import TrainyardOperatorError

_TIMEOUT: Final = (5, 30)
"""Seconds to connect, and to read."""
_CHUNK: Final = 500
_APPLY: Final = "application/apply-patch+yaml"
_JSON_PATCH: Final = "application/json-patch+json"
_THREADS: Final = 32
"""Requests at a time; as many as the connection pool holds."""


class KubeError(TrainyardOperatorError):
    """The API server refused a request, or can't be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{message} ({status} {reason})" if status else message)
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def conflict(self) -> bool:
        """Tells whether the object has changed since it was read, or exists already."""
        return self.status == 409

    @property
    def refused(self) -> bool:
        """Tells whether the same request would be refused again; what is gone, taken or throttled may come right."""
        return 400 <= self.status < 500 and self.status not in {404, 409, 429}


@dataclass(frozen=True)
class Kind:
    """A resource and where it is served."""

    prefix: str
    plural: str

    @property
    def group_version(self) -> tuple[str, str]:
        """Splits the prefix into group and version; the core's group has no name."""
        *_, group, version = self.prefix.split("/")
        return ("" if group == "api" else group), version

    def path(self, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
        """Builds the path of a collection, an object or its subresource; no namespace means all, or none has one."""
        parts = [self.prefix]
        if namespace is not None:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *(part for part in (name, subresource) if part)])


TRAINING_JOBS: Final = Kind("/apis/trainyard.dev/v1alpha1", "trainingjobs")
CHECKPOINTS: Final = Kind("/apis/trainyard.dev/v1alpha1", "checkpoints")
JOBS: Final = Kind("/apis/batch/v1", "jobs")
PODS: Final = Kind("/api/v1", "pods")
CONFIG_MAPS: Final = Kind("/api/v1", "configmaps")
SERVICE_ACCOUNTS: Final = Kind("/api/v1", "serviceaccounts")
NAMESPACES: Final = Kind("/api/v1", "namespaces")
NODES: Final = Kind("/api/v1", "nodes")
ROLES: Final = Kind("/apis/rbac.authorization.k8s.io/v1", "roles")
ROLE_BINDINGS: Final = Kind("/apis/rbac.authorization.k8s.io/v1", "rolebindings")
EVENTS: Final = Kind("/apis/events.k8s.io/v1", "events")
DEPLOYMENTS: Final = Kind("/apis/apps/v1", "deployments")


class Kube:
    """One connection pool to the API server; safe to use from many tasks.

    Args:
        api: the client.
        heard: is told the server's time, in seconds since the epoch, with every answer; called in any thread.
    """

    def __init__(self, api: client.ApiClient, heard: Callable[[float], None] = lambda _: None) -> None:
        self._api = api
        self._heard = heard
        # Of its own: where others wait, as for a database, requests go on.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="kube")

    async def get(self, path: str) -> dict[str, Any] | None:
        """Reads the object at a path; None where there is none."""
        try:
            return await self._request("GET", path)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    async def list_objects(
        self, kind: Kind, namespace: str | None, selector: str = "", *, fields: str = ""
    ) -> list[dict[str, Any]]:
        """Lists the objects of a kind that a label and a field selector match, in a namespace or everywhere."""
        items: list[dict[str, Any]] = []
        token = ""
        while True:
            query = [("limit", str(_CHUNK))]
            query += [("labelSelector", selector)] if selector else []
            query += [("fieldSelector", fields)] if fields else []
            query += [("continue", token)] if token else []
            page = await self._request("GET", kind.path(namespace), query=query)
            items += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return items

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Creates an object in the collection at a path; raises a conflict where its name is taken."""
        return await self._request("POST", path, body=body)

    async def apply(self, path: str, body: dict[str, Any], manager: str) -> dict[str, Any]:
        """Applies a field manager's part of an object; one with a resourceVersion, only to that version."""
        query = [("fieldManager", manager), ("force", "true")]
        return await self._request("PATCH", path, body=body, query=query, content_type=_APPLY)

    async def latch(self, path: str, uid: str, fields: dict[str, Any], manager: str) -> None:
        """Sets fields of the status of the object at a path, whatever its version, if it is still the one of that uid.

        A merge patch and an apply that name a uid are taken by the status subresource for any object of the name.
        """
        same = {"op": "test", "path": "/metadata/uid", "value": uid}
        query, place = [("fieldManager", manager)], f"{path}/status"
        patch = [same, *({"op": "add", "path": f"/status/{name}", "value": value} for name, value in fields.items())]
        try:
            await self._request("PATCH", place, body=patch, query=query, content_type=_JSON_PATCH)
        except KubeError as error:
            current = await self.get(path) if error.status == 422 else None
            if current is None or current["metadata"]["uid"] != uid or "status" in current:
                raise
            # A status that isn't there has no fields to set; whoever makes it meanwhile, makes another version.
            version = {
                "op": "test",
                "path": "/metadata/resourceVersion",
                "value": current["metadata"]["resourceVersion"],
            }
            patch = [same, version, {"op": "add", "path": "/status", "value": fields}]
            await self._request("PATCH", place, body=patch, query=query, content_type=_JSON_PATCH)

    async def set_finalizers(self, path: str, resource_version: str, finalizers: list[str]) -> dict[str, Any] | None:
        """Replaces an object's finalizers if it is still of that version; None where it is gone."""
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": resource_version},
            {"op": "add", "path": "/metadata/finalizers", "value": finalizers},
        ]
        try:
            return await self._request("PATCH", path, body=patch, content_type=_JSON_PATCH)
        except KubeError as error:
            if error.status == 404:
                return None
            if error.status == 422:
                # A failed `test` is answered as an invalid request, without a word about which.
                raise KubeError(409, "Conflict", f"{path}: has changed since version {resource_version}") from error
            raise

    async def scale(self, path: str, replicas: int) -> None:
        """Sets the number of replicas of the workload at a path."""
        patch = [{"op": "add", "path": "/spec/replicas", "value": replicas}]
        await self._request("PATCH", f"{path}/scale", body=patch, content_type=_JSON_PATCH)

    async def delete(self, path: str, uid: str) -> None:
        """Deletes an object if it is still the one of that uid, its dependents in the background."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", path, body=body)
        except KubeError as error:
            if error.status not in {404, 409}:
                raise

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: list[tuple[str, str]] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._send, method, path, body, query or [], content_type)

    def _send(self, method: str, path: str, body: Any, query: list[tuple[str, str]], content_type: str) -> Any:
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if body is not None else {})
        request = self._api.param_serialize(
            method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            response = self._api.call_api(*request, _request_timeout=_TIMEOUT)
            response.read()
        except (client.ApiException, urllib3.exceptions.HTTPError) as error:
            raise KubeError(0, type(error).__name__, f"API server: can't be reached: {error}") from error
        if date := response.getheader("Date"):
            self._heard(parsedate_to_datetime(date).timestamp())
        if 200 <= response.status < 300:
            return json.loads(response.data)
        raise _refusal(response.status, response.data)


def connect(heard: Callable[[float], None] = lambda _: None) -> Kube:
    """Connects to the API server of this pod, or of this machine's kubeconfig; `heard` as in `Kube`.

    Raises:
        KubeError: there is neither.
    """
    settings = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except ConfigException:
        try:
            config.load_kube_config(client_configuration=settings)
        except ConfigException as error:
            raise KubeError(0, "NoConfiguration", f"KUBECONFIG: no cluster to connect to: {error}") from None
    settings.connection_pool_maxsize = _THREADS
    settings.retries = 0
    return Kube(client.ApiClient(settings), heard)


def _refusal(status: int, data: bytes) -> KubeError:
    try:
        body = json.loads(data)
        return KubeError(status, str(body.get("reason", "")), str(body.get("message", "")))
    except (ValueError, AttributeError):
        # A proxy may answer in its own words.
        return KubeError(status, "Unknown", data[:200].decode(errors="replace"))
