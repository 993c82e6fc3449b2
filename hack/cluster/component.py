"""What a component of the cluster is, and how one is started, waited for and looked at.

The modules `controlplane`, `runtime` and `node` say which components there are; this one knows none of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hack.cluster import layout, processes
from hack.cluster.progress import ClusterError, say, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

HEALTHY_SECONDS = 300.0
"""Longest wait for a component to answer: only one that hangs takes as long, however busy the machine is."""


@dataclass(frozen=True)
class Component:
    """One long-running program of the cluster."""

    name: str
    argv: tuple[str, ...]
    healthy: Callable[[], bool]
    """Asks the running program itself; False as long as it doesn't answer."""
    env: Mapping[str, str] = field(default_factory=dict)


def write_if_changed(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Writes a configuration file unless it says just that: kube-proxy ends when its own is touched.

    Args:
        path: the file; its folder is made.
        content: the whole text.
        mode: the file's permissions when it is new.
    """
    if path.exists() and path.read_text() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode)
    path.write_text(content)


@dataclass(frozen=True)
class Host:
    """Where components are started: the folders of their notes and logs."""

    pids: Path
    logs: Path
    tied: bool = False
    """They end with the thread that started them."""

    def start(self, component: Component) -> bool:
        """Starts a component unless it runs. Returns whether it had to be started."""
        if processes.find(self.pids, component.name):
            return False
        processes.start(
            self.pids,
            component.name,
            component.argv,
            log=self.log(component),
            env={**os.environ, **_without_proxy(), **component.env},
            tied=self.tied,
        )
        return True

    def log(self, component: Component) -> Path:
        """Returns the component's log file."""
        return self.logs / f"{component.name}.log"

    def running(self, component: Component) -> bool:
        """Says whether the component's process is there, not whether it is healthy."""
        return processes.find(self.pids, component.name) is not None

    def wait(self, component: Component) -> None:
        """Returns when the component is healthy.

        Raises:
            ClusterError: it ended, or did not become healthy in time; names its log.
        """

        def settled() -> bool:
            if not self.running(component):
                raise ClusterError(f"{component.name}: ended while starting:\n{self._tail(component)}")
            return component.healthy()

        wait_until(settled, f"{component.name} healthy", HEALTHY_SECONDS, hint=f"see {self.log(component)}")

    def up(self, components: Sequence[Component], *, quiet: bool = False) -> None:
        """Starts all of them that don't run, then waits for all of them."""
        started = [component for component in components if self.start(component)]
        for component in components:
            self.wait(component)
        if started and not quiet:
            say(f"started {', '.join(component.name for component in started)}")

    def _tail(self, component: Component) -> str:
        lines = self.log(component).read_text(errors="replace").splitlines()[-8:]
        return "\n".join([f"the end of {self.log(component)}:", *lines])


def _without_proxy() -> dict[str, str]:
    # A machine's proxy is for the way out; components that asked it for each other would not find each other.
    inside = [layout.POD_CIDR, layout.SERVICE_CIDR, "127.0.0.1", "localhost", ".svc", f".{layout.CLUSTER_DOMAIN}"]
    given = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    value = ",".join([*filter(None, [given]), *inside])
    return {"NO_PROXY": value, "no_proxy": value}
