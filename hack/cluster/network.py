"""The cluster's network on this machine: a bridge, one table of packet rules, forwarding.

All of it is taken away by `down`, and so are the tables of kube-proxy. Opens nothing to other machines.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
from pathlib import Path

from hack.cluster import layout, packages
from hack.cluster.component import write_if_changed
from hack.cluster.progress import ClusterError

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_MAC = "0a:54:59:00:00:01"


def up() -> None:
    """Makes what is missing. The bridge must be there before anything binds its address."""
    if not exists():
        _ip("link", "add", layout.BRIDGE, "type", "bridge")
        # A bridge without an address of its own takes over that of whichever pod comes first.
        _ip("link", "set", layout.BRIDGE, "address", _MAC)
    prefix = layout.POD_CIDR.split("/")[1]
    _ip("addr", "replace", f"{layout.BRIDGE_ADDRESS}/{prefix}", "dev", layout.BRIDGE)
    _ip("link", "set", layout.BRIDGE, "up")
    # So that this machine reaches Services even where it has no default route.
    _ip("route", "replace", layout.SERVICE_CIDR, "dev", layout.BRIDGE)
    _nft(
        f"add table ip {layout.NFT_TABLE}; flush table ip {layout.NFT_TABLE};"
        f"add chain ip {layout.NFT_TABLE} postrouting {{ type nat hook postrouting priority 100; }};"
        f"add rule ip {layout.NFT_TABLE} postrouting ip saddr {layout.POD_CIDR} oifname != {layout.BRIDGE} masquerade"
    )
    _remember_forwarding()
    _FORWARDING.write_text("1\n")


def down() -> None:
    """Takes everything away and puts forwarding back as it was."""
    if exists():
        _ip("link", "del", layout.BRIDGE)
    for family, table in (("ip", layout.NFT_TABLE), ("ip", "kube-proxy"), ("ip6", "kube-proxy")):
        _nft(f"add table {family} {table}; delete table {family} {table}")
    before = _forwarding_note()
    if before.exists():
        _FORWARDING.write_text(before.read_text())
        before.unlink()


def exists() -> bool:
    """Says whether the bridge is there."""
    return any(name == layout.BRIDGE for _, name in socket.if_nameindex())


def tables() -> str:
    """Lists the tables of packet rules, one a line as nft does: `table ip kube-proxy`."""
    return _nft("list tables")


def plugin_configuration(folder: Path) -> None:
    """Writes how containerd's network plugin gives a pod its cable and address."""
    ranges = [[{"subnet": layout.POD_CIDR, "gateway": layout.BRIDGE_ADDRESS}]]
    bridge = {
        "type": "bridge",
        "bridge": layout.BRIDGE,
        "isGateway": True,
        "isDefaultGateway": True,
        "hairpinMode": True,  # a pod may call the Service that it serves itself
        "ipam": {"type": "host-local", "ranges": ranges, "dataDir": str(layout.node_runtime() / "addresses")},
    }
    content = {"cniVersion": "1.0.0", "name": layout.NFT_TABLE, "plugins": [bridge]}
    write_if_changed(folder / "10-trainyard.conflist", json.dumps(content, indent=1))


def resolves(name: str, server: str, *, port: int = 53) -> bool:
    """Says whether a name server answers a question for an IPv4 address with at least one."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack(">6H", 0x7479, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(1)
        try:
            wire.sendto(question, (server, port))
            reply = wire.recv(512)
        except OSError:
            return False
    flags: int
    answers: int
    _, flags, _, answers = struct.unpack(">4H", reply[:8])
    return flags & 0xF == 0 and answers > 0


def _remember_forwarding() -> None:
    note = _forwarding_note()
    if not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(_FORWARDING.read_text())


def _forwarding_note() -> Path:
    return layout.node_runtime() / "ip_forward.before"


def _ip(*arguments: str) -> None:
    _run(packages.find("ip") or "ip", *arguments)


def _nft(rules: str) -> str:
    return _run(packages.find("nft") or "nft", rules)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"network: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
