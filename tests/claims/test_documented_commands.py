"""Every command and manifest in README and docs is run: here, or by the test that is named here."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import binaries
from hack.cluster.controlplane import control_plane

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "charts/trainyard/README.md",
    "crds/README.md",
    "docs/api.md",
    "docs/architecture.md",
    "docs/benchmarks.md",
    "docs/failures.md",
    "docs/lifecycle.md",
    "docs/training.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs/decisions").glob("*.md")),
)

# Commands that another test or the test command itself runs, word for word.
RUN_ELSEWHERE = {
    "make demo": "tests/e2e/test_demo.py",
    "make test": ".ci/run",
    "make setup": "Makefile",  # every target that runs Python depends on it
    "make verify": "tests/hack/generate/test___main__.py",
    "make generate": "tests/hack/generate/test___main__.py",
    ".venv/bin/python -m hack.bench.burst": "tests/hack/bench/burst/test___main__.py",  # each night: it builds kwok
    ".venv/bin/python -m hack.bench.burst.stops": "tests/hack/bench/burst/test_stops.py",  # each night, likewise
    "python -m trainyard_trainer write-rows [URI]": "tests/claims/test_a_stop_needs_no_database.py",
    # It ends with the job, for which an operator is needed.
    "kubectl wait --for=condition=Finished tj/minimal --timeout=-1s": (
        "tests/claims/test_manifests_can_be_applied_again.py"
    ),
}
WITHOUT_A_CLUSTER = "-m trainyard_trainer run"
BENCHMARK = "-m hack.bench."
ON_A_SMALL_PROBLEM = {
    "hack.bench.generation": "--case tiny --prompts 2 --group 2 --repeats 1 --no-memory",
    "hack.bench.step": "--case tiny --prompts 2 --group 4 --repeats 1",
    "hack.bench.logprob": "--tokens 128 --vocabulary 512 --hidden 32 --repeats 1",
}
"""For each documented benchmark the options that make it a matter of seconds."""
PLACEHOLDERS = {
    "OPERATOR_IMAGE": "registry.example/trainyard/operator:1",
    "TRAINER_IMAGE": "registry.example/trainyard/trainer:1",
    "REFERENCE": "registry.example/trainyard/any:1",
    "postgresql://...": "postgresql://user@host/trainyard",
}


def documented() -> list[tuple[str, str]]:
    """(document, command) for every command in a fenced block without a language, comments stripped."""
    found = []
    for document in DOCUMENTS:
        text = re.sub(r"<!-- transcript.*?end of transcript -->", "", (ROOT / document).read_text(), flags=re.DOTALL)
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
        for block in (content for language, content in blocks if not language):
            for line in block.replace("\\\n", " ").splitlines():
                command = re.sub(r"\s+# .*$", "", line).strip()
                if re.match(r"(make|kubectl|helm|python|\.venv/bin/python) ", command):
                    found.append((document, re.sub(r"\s+", " ", command)))
    return found


def on_a_server(command: str) -> bool:
    """Whether a command needs an API server and nothing else."""
    return command.startswith(("kubectl ", "helm ")) and command not in RUN_ELSEWHERE


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of a person whose kubectl and helm speak to an empty cluster without nodes."""
    folder = tmp_path_factory.mktemp("documented")
    programs = binaries.ensure(["kubectl", "helm"])
    with control_plane(folder) as plane:
        yield {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "KUBECONFIG": str(plane.kubeconfig),
            "HELM_CACHE_HOME": str(folder / "helm"),
        }


@pytest.mark.integration
def test_installation_commands_work_in_the_order_of_each_document(environment: dict[str, str]) -> None:
    """README and chart README, each from an empty cluster: namespace, Secret and release are there afterwards."""
    for document in DOCUMENTS:
        commands = [command for where, command in documented() if where == document and on_a_server(command)]
        for command in commands:
            for placeholder, value in PLACEHOLDERS.items():
                command = command.replace(placeholder, value)  # noqa: PLW2901 - the same command, made real
            done = subprocess.run(
                shlex.split(command), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{document}: {command}: {done.stderr}"
        if any(command.startswith("helm") for command in commands):
            listed = subprocess.run(
                ["kubectl", "-n", "trainyard-system", "get", "deployment/trainyard", "secret/trainyard-database"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert listed.returncode == 0, listed.stderr
            for clean in (["helm", "uninstall", "trainyard", "-n", "trainyard-system", "--no-hooks"],
                          ["kubectl", "delete", "namespace", "trainyard-system"]):  # fmt: skip
                subprocess.run(clean, env=environment, check=True, capture_output=True)


def test_the_dry_run_of_the_documentation_finds_a_report(tmp_path: Path) -> None:
    """It trains nothing, so the job whose checkpoint it starts from must have run: it says so, with the command."""
    (command,) = [command for where, command in documented() if where == "docs/training.md" and "--dry-run" in command]
    words = shlex.split(command.replace("--output out", f"--output {tmp_path}"))
    done = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 20
    assert "crds/examples/calculator-sft.yaml" in done.stderr + done.stdout


@pytest.mark.learning
def test_benchmarks_run_as_the_documentation_says() -> None:
    """Each prints a table with our row, and the machine below it; the small problem is all that differs."""
    documents = [command for where, command in documented() if where == "docs/benchmarks.md" and BENCHMARK in command]
    commands = [command for command in documents if command not in RUN_ELSEWHERE]
    assert {shlex.split(command)[2] for command in commands} == set(ON_A_SMALL_PROBLEM)
    for command in commands:
        words = [*shlex.split(command)[1:], *ON_A_SMALL_PROBLEM[shlex.split(command)[2]].split()]
        done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert re.search(r"^\|.* ours ", done.stdout, flags=re.MULTILINE)
        assert "threads: 1, Python" in done.stdout


@pytest.mark.learning
def test_run_without_a_cluster_as_the_readme_says(tmp_path: Path) -> None:
    """The README's two commands, in their order, train both examples in one process each."""
    commands = [command for where, command in documented() if where == "README.md" and WITHOUT_A_CLUSTER in command]
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(command.replace("--output out", f"--output {tmp_path}"))
        assert words[0] == ".venv/bin/python"
        done = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("team-a/calculator-grpo/*/step-60-*/COMMIT"))) == 1


def test_no_documented_command_is_left_out() -> None:
    """A command in the documentation is run by a test of this file or by the one that RUN_ELSEWHERE names."""
    commands = [command for _, command in documented()]
    assert len(commands) >= 8
    here = (WITHOUT_A_CLUSTER, BENCHMARK)
    left = [
        c for c in commands if not on_a_server(c) and not any(word in c for word in here) and c not in RUN_ELSEWHERE
    ]
    assert left == []
    assert all((ROOT / path).exists() for path in RUN_ELSEWHERE.values())


def test_every_make_target_in_the_documentation_exists() -> None:
    """Targets that prose mentions can be made."""
    text = "".join((ROOT / document).read_text() for document in DOCUMENTS)
    targets = set(re.findall(r"`make ([a-z-]+)`", text)) | {
        c.split()[1] for _, c in documented() if c.startswith("make ")
    }
    for target in sorted(targets):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"make {target}: {done.stderr}"


def test_the_readme_fits_on_a_few_screens_and_holds_a_transcript() -> None:
    """At most 150 lines, the demo's phases with their seconds among them."""
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    assert re.search(r"^total +[0-9.]+ s$", text, flags=re.MULTILINE)
