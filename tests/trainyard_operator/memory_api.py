"""An API server and a ledger in memory: what the operator's edges ask of them, word for word.

They keep what they are given and refuse what they are told to refuse. What the real ones make of the same requests is
shown by the integration tests; here it is shown which requests are made, in which order, and what follows from a
refusal of each.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from trainyard_operator.cluster.kube import Kind, KubeError

Body = dict[str, Any]


@dataclass
class MemoryApi:
    """Objects by path."""

    objects: dict[str, Body] = field(default_factory=dict)
    refusals: dict[str, KubeError] = field(default_factory=dict)
    """Beginning of a request, as `create /api/v1/pods` → its answer."""
    asked: list[str] = field(default_factory=list)
    """Verb and path of each request, reads too."""
    sent: dict[str, Any] = field(default_factory=dict)
    """The newest body of each writing request."""
    _versions: int = 100

    @property
    def writes(self) -> list[str]:
        """All requests that change something, without what stands before a namespace's name."""
        return [_short(each) for each in self.asked if not each.startswith(("get ", "list "))]

    def hold(self, kind: Kind, body: Body) -> Body:
        """Puts an object there."""
        metadata = body["metadata"]
        self.objects[kind.path(metadata.get("namespace"), metadata["name"])] = self._versioned(body)
        return body

    def __getitem__(self, path: str) -> Body:
        """Finds an object by the end of its path."""
        return next(body for each, body in self.objects.items() if each.endswith(path))

    async def get(self, path: str) -> Body | None:
        """Reads an object."""
        self._ask("get", path)
        return copy.deepcopy(self.objects.get(path))

    async def list_objects(
        self, kind: Kind, namespace: str | None, selector: str = "", *, fields: str = ""
    ) -> list[Body]:
        """Lists the objects of a kind that have the labels."""
        self._ask("list", kind.path(namespace) + (f"?{selector}{fields}" if selector or fields else ""))
        wanted = dict(part.split("=") for part in selector.split(",") if "=" in part)
        inside = kind.path(namespace) if namespace is not None else kind.prefix
        found = (body for path, body in self.objects.items() if path.startswith(inside) and f"/{kind.plural}/" in path)
        return [copy.deepcopy(body) for body in found if wanted.items() <= body["metadata"].get("labels", {}).items()]

    async def create(self, path: str, body: Body) -> Body:
        """Creates an object in a collection."""
        name = body["metadata"]["name"]
        self._ask("create", f"{path}/{name}", body)
        if f"{path}/{name}" in self.objects:
            raise KubeError(409, "AlreadyExists", f"{name} exists")
        made = copy.deepcopy(body)
        made["metadata"] |= {"uid": f"uid-of-{name}", "generation": 1}
        return copy.deepcopy(self._keep(f"{path}/{name}", made))

    async def apply(self, path: str, body: Body, manager: str) -> Body:
        """Applies an object, or the fields of a status."""
        self._ask("apply", f"{path} by {manager}", body)
        version = body["metadata"].get("resourceVersion")
        place = path.removesuffix("/status")
        former = self.objects.get(place)
        if former is not None and version not in {None, former["metadata"]["resourceVersion"]}:
            raise KubeError(409, "Conflict", f"{place} has changed")
        if path != place:
            if former is None:
                raise KubeError(404, "NotFound", place)
            body = former | {"status": _merged(former.get("status", {}), body["status"])}
        return copy.deepcopy(self._keep(place, copy.deepcopy(body)))

    async def latch(self, path: str, uid: str, fields: Body, manager: str) -> None:
        """Sets fields of an object's status."""
        self._ask("latch", f"{path} by {manager}", fields)
        former = self.objects[path]
        if former["metadata"]["uid"] != uid:
            raise KubeError(422, "Invalid", path)
        self._keep(path, former | {"status": former.get("status", {}) | fields})

    async def set_finalizers(self, path: str, version: str, finalizers: list[str]) -> Body | None:
        """Replaces finalizers."""
        self._ask("finalizers", path, finalizers)
        former = self.objects.get(path)
        if former is None:
            return None
        if former["metadata"]["resourceVersion"] != version:
            raise KubeError(409, "Conflict", f"{path} has changed")
        if not finalizers and "deletionTimestamp" in former["metadata"]:
            return self.objects.pop(path)
        return copy.deepcopy(self._keep(path, former | {"metadata": former["metadata"] | {"finalizers": finalizers}}))

    async def delete(self, path: str, uid: str) -> None:
        """Deletes the object of a uid."""
        self._ask("delete", path, uid)
        if self.objects.get(path, {}).get("metadata", {}).get("uid") == uid:
            del self.objects[path]

    async def scale(self, path: str, replicas: int) -> None:
        """Scales a workload."""
        self._ask("scale", path, replicas)
        self.objects[path]["spec"]["replicas"] = replicas

    def _ask(self, verb: str, path: str, body: Any = None) -> None:
        request = f"{verb} {path}"
        self.asked.append(request)
        if body is not None:
            self.sent[_short(request)] = copy.deepcopy(body)
        for beginning, error in self.refusals.items():
            if request.startswith(beginning):
                raise error

    def _keep(self, path: str, body: Body) -> Body:
        self.objects[path] = self._versioned(body)
        return self.objects[path]

    def _versioned(self, body: Body) -> Body:
        self._versions += 1
        body["metadata"] = body["metadata"] | {"resourceVersion": str(self._versions)}
        return body


@dataclass
class MemoryLedger:
    """Notes the values of each statement; answers reads with rows."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    executed: list[list[Any]] = field(default_factory=list)

    async def run(self, work: Callable[[Any], Any]) -> Any:
        """Runs statements."""
        return work(self)

    def transaction(self) -> AbstractContextManager[None]:
        """Everything is one."""
        return nullcontext()

    def execute(self, _: Any, values: Any) -> MemoryLedger:
        """Notes a statement's values."""
        self.executed.append(list(values))
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """What there is."""
        return self.rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """Nothing: who asks for one row asks whether another run has it."""
        return None


def _merged(former: Body, applied: Body) -> Body:
    ours = {each["type"] for each in applied.get("conditions", ())}
    kept = [each for each in former.get("conditions", ()) if each["type"] not in ours]
    return former | applied | {"conditions": [*kept, *applied.get("conditions", ())]}


def _short(request: str) -> str:
    """A request without the API's group and the namespace."""
    verb, _, path = request.partition(" ")
    inside = path.partition("/namespaces/")[2]
    return f"{verb} {inside.partition('/')[2] or path}"
