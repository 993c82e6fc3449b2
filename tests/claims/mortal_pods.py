"""Trainer pods that die where they are told to: a process that has loaded torch once and forks a pod for each line.

Run as a script. A line of standard input is an `Order` as JSON; for each, a line of standard output says how the pod
ended. A pod is `pod.main` itself, from its variables to its exit code, in a process of its own; the only thing added is
that a named function sends a signal to its process at its n-th call, or hangs. A run without a cluster is `local.main`,
likewise. As a kubelet does, this process asks a pod to stop, once a file says so, and kills it when its grace is over.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LOOK_SECONDS = 0.01
"""How often the kubelet's part looks at a pod; a grace is so many looks, longer on a busy machine."""
_SAMPLING = "trainyard_trainer.sampling.in_process"
EDGES: Mapping[str, str] = {
    "decode": f"{_SAMPLING}.slot_decoder:SlotDecoder.advance",
    "reward": "trainyard_trainer.algorithms.grpo:score",
    "load": "trainyard_trainer.models.first_model:scratch",
    "check": f"{_SAMPLING}.self_check:check",
    "prepare": "trainyard_trainer.policy.torch_policy:TorchPolicy.prepare",
    "update": "trainyard_trainer.policy.torch_policy:TorchPolicy.update",
    "pass": "trainyard_trainer.policy.torch_policy:TorchPolicy._backward",
    "step": "trainyard_trainer.training.train_state:TrainState.finish_step",
    "record": "trainyard_trainer.ledger.postgres:PostgresLedger.record_step",
    "validate": "trainyard_trainer.ledger.postgres:PostgresLedger.record_evaluation",
    "snapshot": "trainyard_trainer.policy.torch_policy:TorchPolicy.snapshot",
    "serialise": "torch:save",
    "put": "trainyard_trainer.storage.storage_folder:FolderStorage.put",
    "commit": "trainyard_trainer.storage.storage_folder:FolderStorage.put_if_absent",
    "claim": "trainyard_trainer.ledger.postgres:PostgresLedger.record_checkpoint",
    "restore": "trainyard_trainer.policy.torch_policy:TorchPolicy.load_state",
    "begin": "trainyard_trainer.local.local_run:keep_config",
    "append": "trainyard_trainer.ledger.trajectory_log:TrajectoryLog._append",
    "rewrite": "trainyard_trainer.ledger.trajectory_log:TrajectoryLog._keep",
    "rename": "pathlib:Path.replace",
    "flush": "os:fsync",
}
"""What a pod can die before or after, by name; the last ones are of runs without a cluster."""


@dataclass(frozen=True)
class Death:
    """A signal at the `nth` call of an edge, counted from 1, before it does its work or after; or a call that `hangs`,
    in the middle of which the kubelet asks the pod to stop.
    """

    edge: str
    nth: int
    after: bool = False
    signal: int = signal.SIGKILL
    hangs: bool = False

    def __str__(self) -> str:
        return f"{signal.Signals(self.signal).name} {'after' if self.after else 'before'} {self.edge} {self.nth}"


@dataclass(frozen=True)
class Deed:
    """A command that is run to its end at the `nth` call of an edge, counted from 1, before its work or after."""

    edge: str
    nth: int
    command: Sequence[str]
    after: bool = False


@dataclass(frozen=True)
class Order:
    """A pod: its environment, its folder, its grace, and how it dies, where it does. Calls of every edge are counted in
    a file. It is asked to stop once there is a file `stop` in its folder.

    `deeds` are done on its way; `patience` is its patience with the database, where it isn't the usual one.

    With a `command` it is a run without a cluster; what it says goes to `said` in its folder.
    """

    variables: Mapping[str, str]
    home: str
    death: Death | None = None
    command: Sequence[str] = ()
    deeds: Sequence[Deed] = ()
    patience: Mapping[str, float] = field(default_factory=dict)
    grace_seconds: float = 120.0


class Pods:
    """The process that forks pods."""

    def __init__(self, path: Path) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(path)}
        command = [sys.executable, __file__]
        self._log = (path / "pods.log").open("w")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
            cwd=path,
        )

    def run(self, order: Order) -> int:
        """The pod's exit code, or the signal that killed it as a negative number."""
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process that forks pods ended: {Path(self._log.name).read_text()[-4000:]}")
        return int(line)

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        from tests.waiting import GUARD_SECONDS  # the process that forks has no such path

        self._process.wait(GUARD_SECONDS)
        self._process.stdout.close()
        self._log.close()


@dataclass
class _Silent:
    """A reporter of a pod outside of a cluster."""

    told: list[Any] = field(default_factory=list)

    def report(self, progress: Any, *, at_once: bool = False) -> None:
        """Nobody looks."""

    def saved_in(self, seconds: float) -> None:
        """Nobody looks."""

    def checkpoint(self, saved: Any) -> None:
        """Nobody looks."""

    def close(self) -> None:
        """Nothing is open."""


def _watch(order: Order, calls: Counter[str]) -> None:
    """Count the calls of every edge, and die at the one that the order names."""
    for edge, place in EDGES.items():
        module, _, name = place.partition(":")
        owner: Any = importlib.import_module(module)
        *path, last = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, last, _watched(getattr(owner, last), edge, order, calls))


def _watched(real: Callable[..., Any], edge: str, order: Order, calls: Counter[str]) -> Callable[..., Any]:
    death = order.death

    def do(nth: int, after: bool) -> None:
        for deed in order.deeds:
            if (deed.edge, deed.nth, deed.after) == (edge, nth, after):
                subprocess.run(deed.command, check=True)

    def watched(*arguments: Any, **options: Any) -> Any:
        if edge == "put" and "/logs/" in arguments[1]:
            return real(*arguments, **options)  # of a thread that comes when it comes; no run depends on it
        calls[edge] += 1
        nth = calls[edge]
        dies = death is not None and death.edge == edge and nth == death.nth
        if dies and death.hangs:
            Path(order.home, "stop").touch()
            time.sleep(3600)
        do(nth, after=False)
        if dies and not death.after:
            os.kill(os.getpid(), death.signal)
        result = real(*arguments, **options)
        do(nth, after=True)
        if dies and death.after:
            os.kill(os.getpid(), death.signal)
        return result

    return watched


def _live(order: Order) -> int:
    """Be the pod."""
    from trainyard_trainer.ledger.delivery import Patience
    from trainyard_trainer.local import local
    from trainyard_trainer.pod import pod
    from trainyard_trainer.stop import SignalStop

    calls: Counter[str] = Counter()
    _watch(order, calls)
    stop = SignalStop()
    stop.install()
    home = Path(order.home)
    if order.command:
        with (home / "said").open("wb") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        code = local.main(order.command)
    else:
        code = pod.main(
            stop,
            pod.Surroundings(
                variables=order.variables,
                termination_log=home / "termination-log",
                cache=home / "cache",
                modules=home,
                make_reporter=lambda _: _Silent(),
                patience=Patience(**order.patience),
            ),
        )
    (home / "calls.json").write_text(json.dumps(calls))
    return code


def _serve() -> None:
    """Fork a pod for each line."""
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    for place in EDGES.values():
        importlib.import_module(place.partition(":")[0])
    get_checkpoint_conversion_mapping("qwen3")  # what the first save of a process makes, once for all pods
    for line in sys.stdin:
        body = json.loads(line)
        death = Death(**body.pop("death")) if body["death"] else body.pop("death")
        deeds = [Deed(**deed) for deed in body.pop("deeds")]
        child = os.fork()
        if child == 0:
            code = 70  # an error of this file, not of the pod
            try:
                code = _live(Order(**body, death=death, deeds=deeds))
            except BaseException:  # noqa: BLE001 (the child's last words; it ends here)
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        print(os.waitstatus_to_exitcode(_status(child, Path(body["home"], "stop"), body["grace_seconds"])), flush=True)


def _status(child: int, stop: Path, grace_seconds: float) -> int:
    """How a pod ended; it is told to stop, and killed, as a kubelet would."""
    looks = math.inf
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if looks == math.inf and stop.exists():
            looks = grace_seconds / LOOK_SECONDS
            os.kill(child, signal.SIGTERM)
        elif looks < 0:
            os.kill(child, signal.SIGKILL)
        looks -= 1
        time.sleep(LOOK_SECONDS)
    return ended[1]


if __name__ == "__main__":
    _serve()
