"""Where the test cluster keeps its things and which addresses it uses: the constants every other module reads.

Holds no behaviour beyond naming paths; creates nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

KUBERNETES = "v1.36.3"
CONTEXT = "trainyard-test"
NODE = "trainyard-node"

# All addresses lie in one block that home networks, clouds and container engines rarely use, and only on a bridge
# of this machine.
BRIDGE = "trainyard0"
BRIDGE_ADDRESS = "10.213.64.1"
POD_CIDR = "10.213.64.0/22"
SERVICE_CIDR = "10.213.68.0/22"
API_PORT = 6443
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
REGISTRY_PORT = 15077
CLUSTER_DOMAIN = "cluster.local"

# The table of the cluster's own packet rules; kube-proxy's are called after itself.
NFT_TABLE = "trainyard"
# What the kubelet and the network plugins write at fixed places whatever their folders are.
CONTAINER_LOG_LINKS = Path("/var/log/containers")
DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
CNI_RESULTS = Path("/var/lib/cni/results")
CGROUP = "trainyard"


def cache() -> Path:
    """Returns the folder of everything built, stored or logged: `trainyard` below TRAINYARD_CACHE, else below ~/.cache.

    A folder of its own even below one that is named, for much of what lies in it is deleted now and then.
    """
    return (Path(os.environ.get("TRAINYARD_CACHE") or Path.home() / ".cache") / "trainyard").absolute()


def cluster() -> Path:
    """Returns the folder of the cluster that is up: certificates, configuration, etcd's data; `down` leaves the logs
    alone.
    """
    return cache() / "cluster"


def pids() -> Path:
    """Returns the folder with one file per started process."""
    return cluster() / "pids"


def logs() -> Path:
    """Returns the folder with one log file per component."""
    return cluster() / "logs"


def image_store() -> Path:
    """Returns the root of containerd: images and snapshots; survives `down`, so that the next `up` pulls nothing
    again.
    """
    return cache() / "containerd"


def registry_store() -> Path:
    """Returns the loopback registry's layers; survives `down`."""
    return cache() / "registry"


def runtime() -> Path:
    """Returns the folder of sockets and of what a reboot may forget; short, for a socket's path has 107 characters at
    most.
    """
    return Path("/run/trainyard")


def node_runtime() -> Path:
    """Returns the cluster's part of that folder, which goes with it; image builds have another."""
    return runtime() / "cluster"


def owner_note() -> Path:
    """Returns the file that names the cache folder of the cluster which this machine has now."""
    return node_runtime() / "owner"


def containerd_socket() -> Path:
    """Returns the socket on which containerd listens."""
    return node_runtime() / "containerd.sock"
