"""The local cluster as a whole: up, down, status. The only module that knows the order of things.

Up starts what doesn't run and waits for what isn't healthy, so that a second call heals; down leaves on the machine
only binaries, images and logs.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from hack.cluster import (
    binaries,
    cgroup,
    controlplane,
    layout,
    network,
    node,
    preflight,
    prepare,
    processes,
    runtime,
    state,
    teardown,
)
from hack.cluster.component import Component, Host
from hack.cluster.progress import ClusterError, say


def up() -> state.ClusterState:
    """Brings the cluster up or heals it.

    Raises:
        ClusterError: the machine lacks something, or a component doesn't come up.
    """
    refuse_another_owners(layout.owner_note())
    if not _running():
        prepare.machine()
        preflight.network()
        if leftovers():
            say("an earlier cluster was not taken down (a reboot?): clearing what is left of it")
            down()
        preflight.other_node(network.tables())
        shutil.rmtree(layout.logs(), ignore_errors=True)  # kept until now for whoever asks why the last one failed
    programs = binaries.ensure()
    layout.owner_note().parent.mkdir(parents=True, exist_ok=True)
    layout.owner_note().write_text(str(layout.cache()))
    network.up()
    cgroup.make()
    settings, identities = _control_plane(programs)
    host = Host(layout.pids(), layout.logs())
    for stage in _stages(settings, identities):
        host.up(stage)
        if any(component.name == "containerd" for component in stage):
            runtime.import_pause_image(programs)
        if any(component.name == "kube-apiserver" for component in stage):
            node.grant_rights(identities.api())
    made = state.ClusterState(
        kubeconfig=identities.admin_kubeconfig(),
        context=layout.CONTEXT,
        registry=runtime.REGISTRY,
        bin=programs,
        kind="local",
        containerd_socket=str(layout.containerd_socket()),
    )
    state.save(made)
    say(f"ready: node {layout.NODE} is Ready and names resolve; export KUBECONFIG={made.kubeconfig}")
    return made


def down() -> None:
    """Takes the cluster away; keeps binaries, images and logs.

    Raises:
        ClusterError: it is another cache's, or something is still mounted under its folders.
    """
    refuse_another_owners(layout.owner_note())
    known = state.load()
    programs = known.bin if known else layout.cache() / "bin" / binaries.fingerprint()
    teardown.pods(programs)
    for name in reversed([component_name for stage in STAGES for component_name in stage]):
        processes.stop(layout.pids(), name, grace=3 if name in ("containerd", "registry") else 0)
    teardown.sweep()
    network.down()
    if teardown.mounts():
        # A pod may have had a folder of the machine itself mounted: what lies there must not be deleted with ours.
        raise ClusterError(f"down: still mounted, so nothing was deleted: {' '.join(teardown.mounts())}; unmount them")
    for entry in layout.cluster().glob("*"):
        if entry != layout.logs():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.rmtree(layout.node_runtime(), ignore_errors=True)
    with contextlib.suppress(OSError):  # not there, or an image build's files lie in it
        layout.runtime().rmdir()


def status() -> bool:
    """Prints each component and whether it is healthy; returns whether all are."""
    known = state.load()
    if known is None:
        say("no cluster is up; make one by: python -m hack.cluster up")
        return False
    settings, identities = _control_plane(known.bin)
    host = Host(layout.pids(), layout.logs())
    well = True
    for stage in _stages(settings, identities):
        for component in stage:
            runs = host.running(component)
            healthy = runs and component.healthy()
            well = well and healthy
            verdict = "healthy" if healthy else f"{'unhealthy' if runs else 'not running'}, see {host.log(component)}"
            print(f"{component.name:26}{verdict}")
    return well


def refuse_another_owners(note: Path) -> None:
    """Raises ClusterError if the cluster on this machine was brought up with another cache folder.

    Args:
        note: names the folder; bridge, addresses and cgroup are one per machine, so that there is one cluster at most.
    """
    owner = note.read_text() if note.exists() else str(layout.cache())
    if Path(owner).resolve() != layout.cache().resolve():
        raise ClusterError(
            f"cluster: this machine already has one, of the cache {owner}; take it down first: "
            f"TRAINYARD_CACHE={Path(owner).parent} python -m hack.cluster down"
        )


def leftovers() -> bool:
    """Says whether an earlier cluster left something that must be cleared before a new one starts."""
    return network.exists() or layout.node_runtime().exists() or bool(processes.names(layout.pids()))


# The order of starting; of stopping, reversed.
STAGES = (
    ("etcd", "registry", "containerd"),
    ("kube-apiserver",),
    ("kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns", "kubelet"),
)


def _running() -> bool:
    return any(processes.find(layout.pids(), name) for name in processes.names(layout.pids()))


def _control_plane(programs: Path) -> tuple[controlplane.Settings, controlplane.Identities]:
    settings = controlplane.Settings(
        layout.cluster(),
        programs,
        layout.BRIDGE_ADDRESS,
        layout.API_PORT,
        layout.ETCD_PORT,
        layout.ETCD_PEER_PORT,
        advertise=True,
    )
    return settings, controlplane.Identities(settings)


def _stages(settings: controlplane.Settings, identities: controlplane.Identities) -> list[list[Component]]:
    components = {
        component.name: component
        for component in (
            controlplane.etcd(settings, identities),
            runtime.registry(settings.bin),
            runtime.containerd(settings.bin),
            controlplane.apiserver(settings, identities),
            controlplane.controller_manager(settings, identities, port=node.CONTROLLERS_PORT),
            node.scheduler(settings, identities),
            node.proxy(settings, identities),
            node.nameserver(settings, identities),
            node.kubelet(settings, identities),
        )
    }
    return [[components[name] for name in stage] for stage in STAGES]
