"""Log-probabilities of the head alone, forward and backward: torch as one writes it, TRL's kernel, ours.

`python -m hack.bench.logprob` prints a table. Each measurement is a fresh process, so none profits from another's
memory or caches; rounds alternate the engines, so a slow minute of the machine hits all of them. CPU only: TRL's row is
its torch fallback, not its Triton kernel, and says nothing about a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from hack.bench.machine import circumstances
from hack.bench.memory import MIB, QUIET_MALLOC, resident_peak
from trainyard_trainer.policy.logprobs.token_logprobs import token_logprobs

Logprobs = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
NAIVE_BYTES = 12
"""For each logit, roughly: three float32 matrices of [tokens, vocabulary] live at once in the naive backward."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Tokens, vocabulary, hidden size."""

    tokens: int
    vocabulary: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine's pass: seconds of forward and backward, bytes above base and gradients, and the largest gradient
    error over the largest gradient, of hidden and weight the worse; None where it wasn't compared.
    """

    seconds: float
    extra: int
    error: float | None


def naive(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Computes all logits and all their log-softmax, as one writes it."""
    return (hidden @ weight.t()).log_softmax(-1).gather(1, targets.unsqueeze(1)).squeeze(1)


def trl(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Runs TRL's kernel at the tile width of its trainer, without the optional outputs."""
    from trl.kernels.chunked_logprob import ChunkedLogProbFunction  # noqa: PLC0415 - slow, and one engine's alone

    logprobs: torch.Tensor = ChunkedLogProbFunction.apply(hidden, weight, None, targets, 1.0, 32_768, None, 1.0, ())[0]
    return logprobs


def ours(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Runs the trainer's own."""
    return token_logprobs(hidden, weight, targets)[0]


ENGINES: dict[str, Logprobs] = {"naive": naive, "trl": trl, "ours": ours}


def inputs(shape: Shape) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Makes hidden states, weight, targets and gradients of the log-probabilities; logits have a standard deviation of
    3.
    """
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(shape.tokens, shape.hidden, generator=generator)
    weight = torch.randn(shape.vocabulary, shape.hidden, generator=generator).mul_(3.0 * shape.hidden**-0.5)
    targets = torch.randint(shape.vocabulary, (shape.tokens,), generator=generator)
    return hidden, weight, targets, torch.randn(shape.tokens, generator=generator)


def reference(shape: Shape) -> tuple[torch.Tensor, torch.Tensor]:
    """Computes the gradients in float64, 64 tokens at a time: sum of g x ([is the target] - probability)."""
    hidden, weight, targets, grads = (
        tensor.double() if tensor.is_floating_point() else tensor for tensor in inputs(shape)
    )
    d_hidden, d_weight = torch.empty_like(hidden), torch.zeros_like(weight)
    for start in range(0, shape.tokens, 64):
        rows = slice(start, min(start + 64, shape.tokens))
        errors = torch.softmax(hidden[rows] @ weight.t(), -1).neg_()
        errors[torch.arange(len(errors)), targets[rows]] += 1.0
        errors *= grads[rows].unsqueeze(1)
        d_hidden[rows] = errors @ weight
        d_weight.addmm_(errors.t(), hidden[rows])
    return d_hidden, d_weight


def measure(engine: str, shape: Shape, expected: Path | None) -> Measured:
    """Measures one forward and backward in this process, and its gradients against the expected ones."""
    logprobs = ENGINES[engine]
    warm = [tensor.requires_grad_(tensor.ndim == 2) for tensor in inputs(Shape(1, 8, shape.hidden))]
    torch.autograd.backward(logprobs(*warm[:3]), warm[3])  # imports, threads
    hidden, weight, targets, grads = inputs(shape)
    hidden.requires_grad_()
    weight.requires_grad_()
    with resident_peak() as memory:
        started = time.perf_counter()
        torch.autograd.backward(logprobs(hidden, weight, targets), grads)
        seconds = time.perf_counter() - started
    found = hidden.grad, weight.grad
    if found[0] is None or found[1] is None:
        raise RuntimeError(f"{engine}: gave no gradient to hidden or weight; got {found}")
    gradients = hidden.nbytes + weight.nbytes
    error = None
    if expected is not None:
        wanted = torch.load(expected, mmap=True)
        error = max(float((got - want).abs().max() / want.abs().max()) for got, want in zip(found, wanted, strict=True))
    return Measured(seconds, memory.above - gradients, error)


def child(engine: str, shape: Shape, threads: int, expected: Path | None) -> Measured:
    """Runs `measure` in a fresh process."""
    arguments = ["--child", engine, "--shape", *map(str, (shape.tokens, shape.vocabulary, shape.hidden))]
    if expected is not None:
        arguments += ["--expected", str(expected)]
    environment = os.environ | QUIET_MALLOC | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "hack.bench.logprob", *arguments]
    printed = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Measured(**json.loads(printed.splitlines()[-1]))


def rounds(shape: Shape, threads: int, repeats: int, folder: Path) -> dict[str, list[Measured]]:
    """Measures all engines that fit, alternated; the first round compares gradients."""
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    engines = [name for name in ENGINES if name != "naive" or fits(shape, available)]
    expected = folder / f"{shape.tokens}.pt"
    torch.save(reference(shape), expected)
    measured: dict[str, list[Measured]] = {name: [] for name in engines}
    for number in range(repeats):
        for name in engines:
            measured[name].append(child(name, shape, threads, expected if number == 0 else None))
            print(f"  {shape.tokens} tokens, round {number + 1}, {name}: {measured[name][-1]}", file=sys.stderr)
    return measured


def fits(shape: Shape, available: int) -> bool:
    """Says whether the naive pass fits into this much memory without taking others' away."""
    return NAIVE_BYTES * shape.tokens * shape.vocabulary < 0.8 * available


def table(shape: Shape, measured: dict[str, list[Measured]]) -> list[str]:
    """Makes one line for each engine: medians of all rounds, the seconds also as a ratio to ours of the same round."""
    lines = []
    for name, runs in measured.items():
        seconds = statistics.median(run.seconds for run in runs)
        ratio = statistics.median(run.seconds / own.seconds for run, own in zip(runs, measured["ours"], strict=True))
        extra = max(run.extra for run in runs) / MIB
        label = f"{name} {version('trl')}" if name == "trl" else name
        lines.append(
            f"| {shape.tokens:>6,} | {label:<10} | {seconds:>7.2f} | {shape.tokens / seconds:>8,.0f} | {ratio:>6.2f} "
            f"| {extra:>7,.0f} | {runs[0].error:.1e} | {len(runs)} |"
        )
    return lines


def main() -> None:
    """Parses the command line; a child process prints its measurement as JSON, the parent the table."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench.logprob", description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[4_096, 32_768])
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, nargs="+", default=[5, 1], help="rounds for each number of tokens")
    parser.add_argument("--child", choices=sorted(ENGINES), help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--expected", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(asdict(measure(options.child, Shape(*options.shape), options.expected))))
        return
    print("| tokens | engine     | seconds | tokens/s | / ours | MiB (*) | error (+) | rounds |")
    print("|-------:|:-----------|--------:|---------:|-------:|--------:|--------:|--:|")
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        for tokens, repeats in zip(options.tokens, options.repeats, strict=True):
            shape = Shape(tokens, options.vocabulary, options.hidden)
            print(*table(shape, rounds(shape, options.threads, repeats, Path(folder))), sep="\n", flush=True)
    print(f"Vocabulary {options.vocabulary:,}, hidden {options.hidden}, float32; medians of the rounds, alternated.")
    print("(*) peak of resident memory above what was there before, less the gradients of hidden and weight; the worst")
    print("(+) largest gradient error over the largest gradient, against float64, of hidden and weight the worse")
    print(*circumstances(["trl"]), sep="\n")


if __name__ == "__main__":
    main()
