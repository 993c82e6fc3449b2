"""Which files of ConfigMaps a trainer pod is given: the task's module and its data.

Place in the data's way: station 3. Pure. One that isn't there keeps the kubelet from starting the container; the pod's
events say which, and startDeadlineSeconds ends the wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainyard_api import names
from trainyard_api.model_source import ConfigMapKey
from trainyard_api.task import TaskSpec


@dataclass(frozen=True)
class FileMount:
    """One key of a ConfigMap as a file of its own folder."""

    name: str
    """Of the volume."""
    source: ConfigMapKey
    folder: str

    def volume(self) -> dict[str, Any]:
        """Builds the item of a pod's `volumes`."""
        item = {"key": self.source.key, "path": self.source.key}
        return {"name": self.name, "configMap": {"name": self.source.name, "items": [item]}}

    def mount(self) -> dict[str, Any]:
        """Builds the item of a container's `volumeMounts`."""
        return {"name": self.name, "mountPath": self.folder, "readOnly": True}


def mounts_of(task: TaskSpec) -> list[FileMount]:
    """Lists the files of ConfigMaps that a task needs."""
    mounts = [] if task.module is None else [FileMount("task-module", task.module, names.MODULE_DIRECTORY)]
    for name in ("train", "validation", "test") if task.data is not None else ():
        source = getattr(task.data, name)
        if source is not None and source.config_map is not None:
            mounts.append(FileMount(f"data-{name}", source.config_map, f"{names.DATA_DIRECTORY}/{name}"))
    return mounts
