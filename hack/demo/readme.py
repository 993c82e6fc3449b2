"""Writes the demo's transcript into README.md, between two markers, with the machine and the versions it ran on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from hack.cluster.layout import KUBERNETES
from hack.demo.phases import Story

README = Path(__file__).parent.parent.parent / "README.md"
BEGIN, END = "<!-- transcript: written by `python -m hack.demo --readme` -->", "<!-- end of transcript -->"


def write_transcript(story: Story) -> None:
    """Replace what stands between the markers."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}, Kubernetes {KUBERNETES}, "
        f"Python {platform.python_version()}, torch {version('torch')}, transformers {version('transformers')}"
    )
    block = f"{BEGIN}\n```\n" + "\n".join(story.transcript) + f"\n```\n{machine}.\n{END}"
    text = README.read_text()
    README.write_text(re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: block, text, flags=re.DOTALL))
