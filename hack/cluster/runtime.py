"""What runs containers and brings their images: containerd with its pause image, and the registry on loopback.

Both keep their stores across `down` and `up`. Knows nothing of Kubernetes but the namespace `k8s.io`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

from hack.cluster import layout, network, packages
from hack.cluster.api import http_ok
from hack.cluster.component import Component, write_if_changed
from hack.cluster.progress import ClusterError

PAUSE_IMAGE = "trainyard.local/pause:1"
REGISTRY = f"127.0.0.1:{layout.REGISTRY_PORT}"


def containerd(programs: Path) -> Component:
    """Describes the container runtime, with a root, state and socket of its own beside any other on the machine."""
    folder = layout.cluster() / "containerd"
    network.plugin_configuration(folder / "cni")
    write_if_changed(
        folder / "registries" / REGISTRY / "hosts.toml",
        f'server = "http://{REGISTRY}"\n[host."http://{REGISTRY}"]\ncapabilities = ["pull", "resolve"]\n',
    )
    config = folder / "config.toml"
    write_if_changed(config, _containerd_config(folder))
    path = f"{programs}:{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/sbin:/bin"
    argv = (str(programs / "containerd"), f"--config={config}")
    return Component("containerd", argv, lambda: _answers(programs), {"PATH": path})


def registry(programs: Path) -> Component:
    """Describes the registry that pods' images are pushed to, on loopback only."""
    layout.registry_store().mkdir(parents=True, exist_ok=True)
    config = layout.cluster() / "registry" / "config.json"  # JSON is YAML
    content = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(layout.registry_store())}, "delete": {"enabled": True}},
        "http": {"addr": REGISTRY},
    }
    write_if_changed(config, json.dumps(content, indent=1))
    argv = (str(programs / "registry"), "serve", str(config))
    quiet = {"OTEL_TRACES_EXPORTER": "none"}
    return Component("registry", argv, lambda: http_ok(f"http://{REGISTRY}/v2/"), quiet)


def import_pause_image(programs: Path) -> None:
    """Puts the image of every pod's sandbox into containerd's store unless it is there."""
    if PAUSE_IMAGE not in ctr(programs, "images", "list", "--quiet").split():
        archive = layout.cluster() / "pause.tar"
        archive.write_bytes(image_archive(PAUSE_IMAGE, programs / "pause"))
        ctr(programs, "images", "import", str(archive))
        archive.unlink()


def ctr(programs: Path, *arguments: str) -> str:
    """Runs containerd's command line tool in Kubernetes' namespace; returns what it printed.

    Raises:
        ClusterError: it failed; holds what it said.
    """
    command = [str(programs / "ctr"), "--address", str(layout.containerd_socket()), "--namespace", "k8s.io", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"containerd: ctr {' '.join(arguments[:2])}: {done.stderr.strip()}")
    return done.stdout


def image_archive(image: str, program: Path) -> bytes:
    """Makes an image archive of one layer with one static program, which a container of it runs.

    Args:
        image: the image's name with its tag.
        program: needs nothing but itself.
    """
    layer = _tar({program.name: program.read_bytes()}, mode=0o755)
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [image], "Layers": ["layer.tar"]}]).encode()
    return _tar({"manifest.json": manifest, "config.json": config, "layer.tar": layer}, mode=0o644)


def _tar(files: dict[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _answers(programs: Path) -> bool:
    command = [str(programs / "ctr"), "--address", str(layout.containerd_socket()), "--timeout", "2s", "version"]
    return (
        layout.containerd_socket().exists()
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def _containerd_config(folder: Path) -> str:
    plugins = json.dumps([str(each) for each in packages.CNI_FOLDERS])
    return f"""version = 3
root = "{layout.image_store()}"
state = "{layout.node_runtime()}/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{layout.containerd_socket()}"
[plugins."io.containerd.shim.v1.manager"]
socket_dir = "{layout.node_runtime()}/s"
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
# The registry keeps the compressed layers; a second copy would only fill the disk.
discard_unpacked_layers = true
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.images".registry]
config_path = "{folder}/registries"
[plugins."io.containerd.cri.v1.runtime"]
# In a machine without CAP_SYS_RESOURCE a container can't be made less likely to be killed than containerd is.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = {plugins}
conf_dir = "{folder}/cni"
use_internal_loopback = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{packages.find("runc")}"
Root = "{layout.node_runtime()}/runc"
SystemdCgroup = false
"""
