"""Brings up what the main job needs: cluster, images, database and S3 server, chart. Each step does nothing twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.cluster import layout
from hack.images import load_refs
from hack.kubectl import Kubectl

ROOT = Path(__file__).parent.parent.parent
NAMESPACE = "trainyard-system"
RELEASE = "trainyard"
VALUES = Path(__file__).parent / "values.yaml"


def run_module(*arguments: str) -> None:
    """Runs one of the hack programs, its output going to ours.

    Raises:
        SystemExit: it failed; it has said why.
    """
    status = subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=False).returncode
    if status != 0:
        raise SystemExit(status)


@contextmanager
def images_in_background() -> Iterator[None]:
    """Starts to build the images during other set-up; a foreground build waits for it by its own lock."""
    log = layout.cache() / "images-in-background.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        command = [sys.executable, "-m", "hack.images", "build", "--no-push"]
        builder = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield  # whatever went wrong in it goes wrong again, and is told, in the foreground
        finally:
            if builder.poll() is None:
                builder.terminate()
            builder.wait()


def install_chart(kubectl: Kubectl, *overrides: str) -> None:
    """Installs or upgrades the chart with the images just built, and waits until the operator is ready."""
    refs = load_refs()
    settings = [f"image.operator={refs['operator']}", f"image.trainer={refs['trainer']}", *overrides]
    kubectl(
        *("upgrade", "--install", RELEASE, str(ROOT / "charts/trainyard"), "--namespace", NAMESPACE),
        *("--create-namespace", "--values", str(VALUES), "--wait", "--timeout", "180s"),
        *(part for setting in settings for part in ("--set-string", setting)),
        program="helm",
    )
