"""Whether a container engine runs on this machine; decides between kind and a local cluster."""

from __future__ import annotations

import shutil
import subprocess


def engine_answers() -> bool:
    """Says whether a container engine runs here."""
    docker = shutil.which("docker")
    return bool(docker) and subprocess.run([str(docker), "info"], capture_output=True, check=False).returncode == 0
