"""What can be read of a TrainingJob, whatever is in it.

Place in the data's way: station 2, before an observation. An object may have been admitted under another version of the
CRD, and a newer operator may have written its status: such a job is still stopped, billed and let go. What breaks the
schema is left out; where a manifest lacks what its kind demands, a neutral value stands in, and no attempt begins.
Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pydantic

from trainyard_api.fields import ApiModel
from trainyard_api.training_job import TrainingJob, parse_training_job
from trainyard_api.training_job_status import TrainingJobStatus
from trainyard_api.validation import explain
from trainyard_operator.cluster.messages import bounded

_NEUTRAL: Final[dict[str, Any]] = {
    "model": {"scratch": {}},
    "algorithm": {"type": "SFT", "sft": {"steps": 1}},
    "task": {"name": "unreadable", "rewards": [{"name": "unreadable"}]},
    "database": {"secretRef": {"name": "unreadable"}},
    "budget": {"maxCostUSD": "0.000001"},
    "checkpoints": {"storage": {"s3": {"bucket": "unreadable", "secretRef": {"name": "unreadable"}}}},
}
_MOST_FAULTS: Final = 100


@dataclass(frozen=True)
class Reading:
    """A TrainingJob as far as it can be read."""

    job: TrainingJob
    unreadable: str = ""
    """The first fault of the manifest, by field, rule and value; empty: none."""


def read(body: Mapping[str, Any]) -> Reading:
    """Reads a TrainingJob; never fails."""
    status = _readable(TrainingJobStatus, body.get("status") or {})
    whole = {**body, "status": status}
    try:
        return Reading(parse_training_job(whole))
    except pydantic.ValidationError as error:
        return Reading(_substitute(whole), bounded(explain(error)[0]))


def _substitute(body: dict[str, Any]) -> TrainingJob:
    """Takes over of a manifest what stops its pods and where they save, where that is in order."""
    spec = body.get("spec")
    given: dict[str, Any] = spec if isinstance(spec, dict) else {}
    neutral = {**_NEUTRAL, "suspend": given.get("suspend") is True, "cancel": given.get("cancel") is True}
    asked = given.get("checkpoints")
    policy: dict[str, Any] = asked if isinstance(asked, dict) else {}
    known = {name: policy[name] for name in ("stopGraceSeconds", "storage") if name in policy}
    storage = {name: value for name, value in known.items() if name == "storage"}
    for checkpoints in (known, storage, {**known, **_NEUTRAL["checkpoints"]}):
        try:
            return parse_training_job({**body, "spec": {**neutral, "checkpoints": checkpoints}})
        except pydantic.ValidationError:
            continue
    return parse_training_job({**body, "spec": neutral})


def _readable(model: type[ApiModel], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out of an object what a model refuses, leaf by leaf and then what lacks it."""
    kept = copy.deepcopy(dict(raw))
    for _ in range(_MOST_FAULTS):
        try:
            model.model_validate(kept)
        except pydantic.ValidationError as error:
            _drop(kept, error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"])
        else:
            return kept
    return {}


def _drop(kept: dict[str, Any], location: tuple[int | str, ...]) -> None:
    """Removes the innermost part of an object that a location leads to."""
    holder: Any = None
    key: Any = None
    at: Any = kept
    for part in location:
        inside: Any = at if isinstance(at, dict) else dict(enumerate(at)) if isinstance(at, list) else {}
        if part not in inside:
            break
        holder, key, at = at, part, inside[part]
    if holder is None:
        kept.clear()
    else:
        del holder[key]
