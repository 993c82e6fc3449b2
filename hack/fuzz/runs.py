"""Whole runs of two steps, on a tiny model: settings, options and questions that are legal and odd."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from hack.fuzz.kind import Kind, one_line, promise
from hack.fuzz.manifests import own_signals
from hack.fuzz.texts import texts
from trainyard_api.algorithm import Credit, KLEstimator, LossType, Precision
from trainyard_api.termination import ExitCode
from trainyard_trainer.local.local import main

SCRATCH = {"hiddenSize": 8, "layers": 1, "attentionHeads": 1, "keyValueHeads": 1, "headDim": 4, "intermediateSize": 8}
RATES = st.sampled_from(("0", "1", "1e-99", "1e-45", "1e-9", "1e-3", "0.999999999"))
FACTORS = st.sampled_from(("0", "0.2", "1e-99", "1e-45", "1", "9999.999999999", "1e-8"))
SHARES = st.sampled_from(("0", "0.0", "0.000000001", "0.5", "0.999999999", "1", "1.0"))
DECIMALS = st.sampled_from(("1", "-1", "0", "0.5", "-0.0", "999999999.999999999", "-999999999", "0.000000001"))
TEMPERATURES = st.sampled_from(("0.01", "0.5", "1.0", "100", "9e-2", "1e1"))
COUNTS = st.sampled_from((1, 2, 3, 64, 1_000_000))
ALPHABET = "0123456789+=;"


@dataclass(frozen=True)
class Run:
    """A manifest's spec, and the file of questions beside it."""

    spec: str
    questions: str


def _some(members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


def _grpo() -> st.SearchStrategy[dict[str, Any]]:
    coefficients = st.sampled_from(("1e-9", "0.05", "1", "9999"))
    penalty = st.fixed_dictionaries(
        {"coefficient": coefficients}, optional={"estimator": st.sampled_from([each.value for each in KLEstimator])}
    )
    return _some(
        {
            "loss": st.sampled_from([each.value for each in LossType]),
            "learningRate": RATES,
            "maxTurns": st.integers(1, 3),
            "maxTurnTokens": st.integers(1, 8),
            "temperature": TEMPERATURES,
            "topK": COUNTS,
            "topP": SHARES.filter(lambda share: float(share) > 0),
            "minibatches": st.integers(1, 3),
            "epochs": st.integers(1, 2),
            "epsilonLow": FACTORS,
            "epsilonHigh": FACTORS,
            "dualClip": st.sampled_from(("1.000000001", "3", "9999", "1")),
            "dropZeroVarianceGroups": st.booleans(),
            "kl": penalty,
            "gamma": SHARES,
            "credit": st.sampled_from([each.value for each in Credit]),
            "maxFailedFraction": SHARES,
        }
    ).map(_whole)


def _whole(odd: dict[str, Any]) -> dict[str, Any]:
    """Adds what the schema wants of each loss, most of the time."""
    of_loss = {"maxPolicyTokens": 64} if odd.get("loss") == LossType.DR_GRPO else {}
    unwanted = ("epsilonLow", "dualClip") if odd.get("loss") == LossType.CISPO else ()
    kept = {name: value for name, value in odd.items() if name not in unwanted}
    return {"promptsPerStep": 2, "groupSize": 2, "steps": 2, **of_loss, **kept}


def _algorithm() -> st.SearchStrategy[dict[str, Any]]:
    more = _some(
        {
            "seed": st.sampled_from((0, 1, 2**32, 2**53)),
            "precision": st.sampled_from([each.value for each in Precision]),
            "gradientCheckpointing": st.booleans(),
            "microBatchTokens": COUNTS,
            "lora": _some({"rank": st.integers(1, 9), "alpha": st.sampled_from((1, 32, 4096))}),
        }
    )
    grpo = _grpo().map(lambda odd: {"type": "GRPO", "grpo": odd})
    sft = RATES.flatmap(
        lambda rate: st.integers(1, 3).map(
            lambda size: {"type": "SFT", "sft": {"steps": 2, "batchSize": size, "learningRate": rate}}
        )
    )
    return st.tuples(grpo | grpo | sft, more).map(lambda made: made[0] | made[1])


def _task() -> st.SearchStrategy[dict[str, Any]]:
    names = ("exact", "graded", "positions", "turns")
    rewards = st.lists(
        st.fixed_dictionaries({"name": st.sampled_from(names)}, optional={"weight": DECIMALS}),
        min_size=1,
        max_size=3,
        unique_by=lambda term: str(term["name"]),
    )
    source = {"configMap": {"name": "questions", "key": "questions.jsonl"}}
    options = st.fixed_dictionaries(
        {
            "dialogue": st.just("text"),
            "alphabet": st.just(ALPHABET) | texts(3).map(ALPHABET.__add__),
            "stop": st.sampled_from((";", ";", ";", "=")) | texts(1),
        },
        optional={"max_turn_tokens": st.sampled_from(("1", "4", "0", "x"))},
    )
    qa = options.map(lambda odd: {"name": "qa", "options": odd, "data": {"train": source}})
    own = st.sampled_from(("calculator", "echo")).map(lambda name: {"name": name})
    return st.tuples(qa | own, rewards).map(lambda made: made[0] | {"rewards": made[1]})


def _spec() -> st.SearchStrategy[dict[str, Any]]:
    validation = st.fixed_dictionaries(
        {"questions": st.integers(1, 3)}, optional={"everySteps": st.just(1), "earlyStopping": st.just({"patience": 1})}
    )
    evaluation = st.fixed_dictionaries(
        {"questions": st.integers(1, 3)},
        optional={"samples": st.integers(1, 2), "temperature": st.just("0.01"), "validation": validation},
    )
    return st.fixed_dictionaries(
        {"model": st.just({"scratch": SCRATCH}), "algorithm": _algorithm(), "task": _task()},
        optional={"evaluation": evaluation},
    )


def _questions() -> st.SearchStrategy[str]:
    sums = st.tuples(st.integers(0, 99), st.integers(0, 99)).map(
        lambda pair: {"query": f"{pair[0]}+{pair[1]}=", "expected_outcome": str(sum(pair))}
    )
    said = texts(3).map(lambda text: f"q{text}".replace("\ud83d", ""))
    odd = st.fixed_dictionaries({"query": said, "expected_outcome": said | texts(2)})
    good = st.lists(sums.map(json.dumps), min_size=8, max_size=12)
    return st.tuples(good, st.lists(odd.map(json.dumps), max_size=2)).map(lambda made: "\n".join(made[0] + made[1]))


def _runs() -> st.SearchStrategy[Run]:
    return st.builds(Run, _spec().map(json.dumps), _questions())


def check(run: Run) -> None:
    """Runs it: it ends with a committed checkpoint and metrics, or is refused in words."""
    secret = {"secretRef": {"name": "unread"}}
    rest = {
        "database": secret,
        "budget": {"maxCostUSD": "1.00"},
        "checkpoints": {"everySteps": 1, "storage": {"s3": {"bucket": "unused", **secret}}},
    }
    body = {
        "apiVersion": "trainyard.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "fuzz", "namespace": "fuzz"},
        "spec": json.loads(run.spec) | rest,
    }
    shown, said = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as name:
        manifest, output = Path(name, "fuzz.yaml"), Path(name, "out")
        manifest.write_text(json.dumps(body))
        Path(name, "questions.jsonl").write_text(run.questions)
        with own_signals(), contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
            code = main(["run", str(manifest), "--output", str(output)])
        promise("Traceback" not in said.getvalue(), f"no traceback; got {said.getvalue()}")
        promise(code in {ExitCode.DONE, ExitCode.REFUSED}, f"a run ends with 0 or 20; got {code}")
        if code == ExitCode.REFUSED:
            _, begun, refusal = said.getvalue().rstrip("\n").rpartition("refused (")
            promise(begun and refusal, f"a refusal says that it is one; got {said.getvalue()!r}")
            for line in refusal.split("\n"):
                one_line(line)
        else:
            promise(list(output.rglob("COMMIT")), "a run that is done has a checkpoint")
            (metrics,) = output.rglob("metrics.jsonl")
            for line in metrics.read_text().split("\n"):
                promise(not line or json.loads(line), "metrics are lines of JSON")


KIND = Kind("runs", 20, _runs(), check)
