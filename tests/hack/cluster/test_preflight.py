"""What a machine must have before anything is done on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hack.cluster import preflight
from hack.cluster.progress import ClusterError

HEADER = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"


def _route(device, destination, mask):
    def swapped(address):
        return bytes(reversed([int(part) for part in address.split(".")])).hex().upper()

    return f"{device} {swapped(destination)} 00000000 0001 0 0 0 {swapped(mask)} 0 0 0\n"


@pytest.mark.parametrize(
    ("destination", "mask"),
    [("10.213.65.0", "255.255.255.0"), ("10.213.0.0", "255.255.0.0"), ("10.213.68.0", "255.255.252.0")],
)
def test_a_route_into_the_clusters_addresses_is_refused(destination, mask):
    """A network that already has the addresses would lose them to the cluster, so nothing is started."""
    with pytest.raises(ClusterError, match=r"addresses: .*got 10\.213\.\d+\.0/\d+ to lan0"):
        preflight.addresses(HEADER + _route("lan0", destination, mask))


def test_other_routes_do_not_matter():
    """A default route, a wide private route and the cluster's own bridge are no reason to stop."""
    preflight.addresses(
        HEADER
        + _route("eth0", "0.0.0.0", "0.0.0.0")
        + _route("vpn0", "10.0.0.0", "255.0.0.0")
        + _route("eth0", "192.168.1.0", "255.255.255.0")
        + _route("trainyard0", "10.213.64.0", "255.255.252.0")
    )


def test_a_node_of_another_cluster_is_refused():
    """Taking our cluster down clears the tables of kube-proxy, so there may be no other's."""
    preflight.other_node("table ip trainyard\ntable ip filter\n")
    with pytest.raises(ClusterError, match=r"TRAINYARD_CONTEXT.*got table ip6 kube-proxy$"):
        preflight.other_node("table ip filter\ntable ip6 kube-proxy\n")


def test_too_little_disk_is_one_line_with_a_remedy(tmp_path):
    """More room than any disk has is refused, naming what is there and the variable that moves the cache."""
    with pytest.raises(ClusterError, match=r"want 9999999 GB free.*TRAINYARD_CACHE.*got \d+ GB") as caught:
        preflight.disk(tmp_path / "not" / "yet", 9_999_999)
    assert "\n" not in str(caught.value)
    preflight.disk(tmp_path / "not" / "yet", 0)


def test_a_missing_controller_is_named():
    """Without the memory controller limits would silently not hold."""
    preflight.controllers({"cpu", "cpuset", "memory", "pids", "blkio"})
    with pytest.raises(ClusterError, match=r"lacking memory$"):
        preflight.controllers({"cpu", "cpuset", "pids"})


def test_without_root_nothing_begins(monkeypatch):
    """An ordinary user is told the three ways to a cluster."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match=r"needs root; run as root, or start a container engine.*TRAINYARD_CONTEXT"):
        preflight.machine(warm=True)


def test_a_cache_whose_sockets_would_not_fit_is_refused(tmp_path):
    """The line names the limit, the variable and the path, before any work."""
    preflight.short_enough(Path("/root/.cache/trainyard"))
    long = tmp_path / ("x" * 80)
    with pytest.raises(ClusterError, match=rf"cache: .*TRAINYARD_CACHE.*got {long}"):
        preflight.short_enough(long)
