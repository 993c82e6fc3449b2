"""Which of a run's claims to have committed a checkpoint become Checkpoint objects.

Place in the data's way: station 9. A row of the ledger was written from a pod in which user code runs, so namespace,
run and prefix are checked before an object is made of it. Pure; `objects.py` builds the objects.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from trainyard_api.checkpoint import Checkpoint
from trainyard_api.conditions import ConditionType
from trainyard_api.model_source import Storage
from trainyard_operator.checkpoint.uri import inside_run, run_uri
from trainyard_operator.cluster.messages import at_field
from trainyard_operator.ledger.rows import Claim

_DIGEST: Final = re.compile(r"^sha256:[0-9a-f]{64}$")


@dataclass(frozen=True)
class ClaimsReview:
    """What follows from a run's claims."""

    to_create: tuple[Claim, ...] = ()
    """No object yet."""
    to_fill: tuple[Claim, ...] = ()
    """The object has no status yet."""
    stored: tuple[Claim, ...] = ()
    """The object is Ready."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """URI → why no object is made."""

    @property
    def accepted(self) -> tuple[Claim, ...]:
        """Lists the claims that are in order, objects or not yet."""
        return (*self.to_create, *self.to_fill, *self.stored)

    @property
    def latest(self) -> Claim | None:
        """Picks the stored one with the highest step, of one step the one with the most updates."""
        return max(self.stored, key=_age, default=None)

    @property
    def latest_accepted(self) -> Claim | None:
        """Picks the newest one of the newest attempt that has any: it may have gone on from before a damaged one."""
        return max(self.accepted, key=lambda claim: (claim.attempt, *_age(claim)), default=None)

    def complete(self, refused: Collection[str]) -> bool:
        """Tells whether every accepted claim is a Ready object, or was tried and refused."""
        return all(claim.uri in refused for claim in (*self.to_create, *self.to_fill))


def _age(claim: Claim) -> tuple[int, int, int, datetime]:
    """Orders claims: of one step, what was taken between steps comes before its scored rollouts and its updates."""
    updates = -1 if claim.updates is None else claim.updates
    return (claim.step, updates, claim.attempt, claim.committed_time)


def review(
    claims: Iterable[Claim],
    objects: Iterable[Checkpoint],
    storage: Storage,
    *,
    namespace: str,
    job: str,
    job_uid: str,
    attempts: int,
) -> ClaimsReview:
    """Sorts a run's claims by what has to be done about each; `attempts` is the number of the newest attempt."""
    by_name = {checkpoint.metadata.name: checkpoint for checkpoint in objects}
    create, fill, stored = [], [], []
    refused: dict[str, str] = {}
    for claim in claims:
        rule = _refusal(claim, storage, namespace=namespace, job=job, job_uid=job_uid)
        if rule is None and not 1 <= claim.attempt <= attempts:
            rule = at_field("checkpoints.attempt", f"must be from 1 to {attempts}, the current one", str(claim.attempt))
        existing = by_name.get(claim.object_name(job, job_uid))
        if rule is None and existing is not None and existing.spec.source.uri != claim.uri:
            rule = at_field("checkpoints.uri", f"Checkpoint {existing.metadata.name} stands for other files", claim.uri)
        if rule is not None:
            refused[claim.uri] = rule
        elif existing is None:
            create.append(claim)
        elif _is_ready(existing):
            stored.append(claim)
        else:
            fill.append(claim)
    return ClaimsReview(tuple(create), tuple(fill), tuple(stored), refused)


def _refusal(claim: Claim, storage: Storage, *, namespace: str, job: str, job_uid: str) -> str | None:
    if claim.run_uid != job_uid:
        return at_field("checkpoints.run_uid", f"must be this run's, {job_uid}", claim.run_uid)
    if not inside_run(claim.uri, storage, namespace, job, job_uid):
        return at_field("checkpoints.uri", "must be a folder right below this run's prefix", claim.uri)
    folder = claim.uri.removeprefix(run_uri(storage, namespace, job, job_uid))
    # Pods' uids are hexadecimal: none begins with u.
    stem = f"step-{claim.step}-" if claim.updates is None else f"step-{claim.step}-u{claim.updates}-"
    if not folder.startswith(stem) or (claim.updates is None and folder.startswith(f"{stem}u")):
        got = f"{claim.step}" if claim.updates is None else f"{claim.step}, updates {claim.updates}"
        return at_field("checkpoints.step", f"must be the step of the folder {claim.uri}", got)
    if not _DIGEST.fullmatch(claim.digest):
        return at_field("checkpoints.digest", "must be sha256: and 64 hex digits", claim.digest)
    return None


def _is_ready(checkpoint: Checkpoint) -> bool:
    conditions = (checkpoint.status.conditions if checkpoint.status else None) or []
    return any(c.type == ConditionType.READY and c.status == "True" for c in conditions)
