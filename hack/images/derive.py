"""Images built on one of ours, as users build them: a Dockerfile with `ARG BASE` and `FROM ${BASE}`, pushed like ours.

Tests use it for a reward of the user's own. Named by its context's content and its parent's tag.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from hack.images import build as delivery
from hack.images import engine, specs
from hack.images.errors import ImageError

_PARENTS = {image.name: image for image in (specs.OPERATOR, specs.TRAINER)}


def derive(parent: str, context: Path, name: str) -> str:
    """Builds a small image on top of the current one of ours and brings it to the cluster.

    Args:
        parent: `operator` or `trainer`.
        context: a folder with a Dockerfile that takes the parent's name as the build argument BASE.
        name: what to call it: lower case, digits and dashes.

    Returns: the reference for a pod's image.

    Raises:
        ImageError: the parent is unknown, there is no Dockerfile, no cluster is up, or a step failed.
    """
    if parent not in _PARENTS:
        raise ImageError(f"derive: from: want one of {', '.join(_PARENTS)}; got {parent!r}")
    dockerfile = context.absolute() / "Dockerfile"
    if not dockerfile.is_file():
        raise ImageError(f"derive: context: want a folder with a Dockerfile; got {str(context)!r}")
    with delivery.lock():
        cluster = delivery.the_cluster()
        builder = engine.choose()
        base = delivery.target(builder, cluster, _PARENTS[parent])
        digest = hashlib.sha256(f"{base.local}\0{specs.content(dockerfile.parent)}".encode()).hexdigest()
        slow = base.tag.split("-")[0]
        image = specs.Image(f"{delivery.DERIVED}{name}", str(dockerfile), slow=(), context=dockerfile.parent)
        wanted = delivery.named(builder, cluster, image, f"{slow}-{digest[:10]}")
        delivery.make(builder, [base])
        delivery.deliver(builder, cluster, [wanted], base=base.local)
        return wanted.reference
