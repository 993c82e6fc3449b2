"""From inputs to a node that has the images: build what changed, push what the registry lacks, pull, forget the old.

Level-triggered: every step first asks whether its result is there, so a build that was cut off goes on, and one with
nothing to do does nothing. Which engine builds and what an image is made of is decided elsewhere.
"""

from __future__ import annotations

import contextlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hack.cluster import binaries, state
from hack.cluster.locks import exclusive
from hack.cluster.progress import say
from hack.images import downloads, engine, node, refs, registry, specs
from hack.images.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hack.cluster.state import ClusterState
    from hack.images.engine import Engine
    from hack.images.specs import Image

DERIVED = "derived-"


@dataclass(frozen=True)
class Target:
    """An image as it is to be: its content's tag and what it is called here and on the node."""

    image: Image
    tag: str
    local: str
    reference: str


def build() -> dict[str, str]:
    """Brings every image to the cluster and notes what they are called.

    Returns: reference by image: `operator`, `trainer`, `postgres`, `s3`.

    Raises:
        ImageError: no cluster is up, or a step failed.
    """
    with lock():
        cluster = the_cluster()
        builder = engine.choose()
        images = (specs.TRAINER, specs.OPERATOR, specs.POSTGRES, specs.s3(binaries.ensure(["versitygw"])))
        targets = [target(builder, cluster, image) for image in images]
        deliver(builder, cluster, targets)
        references = {each.image.name: each.reference for each in targets}
        refs.save(references)
        return references


def build_only() -> None:
    """Builds the images that need nothing of the cluster, to be pushed later; may run while the cluster is made.

    Raises:
        ImageError: a build failed.
    """
    with lock():
        builder = engine.choose()
        images = (specs.TRAINER, specs.OPERATOR, specs.POSTGRES)
        make(builder, [target(builder, None, image) for image in images])


def the_cluster() -> ClusterState:
    """Finds the cluster that images go to.

    Raises:
        ImageError: none is up, or it has no registry to push to.
    """
    cluster = state.load()
    if cluster is None:
        raise ImageError("images: no cluster is up to bring them to; run make cluster-up first")
    if not cluster.registry and cluster.kind != "kind":
        raise ImageError("images: the cluster has no registry; set TRAINYARD_REGISTRY to one that its nodes pull from")
    return cluster


def target(builder: Engine, cluster: ClusterState | None, image: Image) -> Target:
    """Names an image by the content of its inputs.

    Raises:
        ImageError: an input is missing.
    """
    try:
        tag = specs.tag(image, builder.base_key())
    except FileNotFoundError as error:
        raise ImageError(f"images: {image.name}: {error}") from None
    return named(builder, cluster, image, tag)


def named(builder: Engine, cluster: ClusterState | None, image: Image, tag: str) -> Target:
    """Returns the image under a given tag."""
    local = builder.local(image.name, tag)
    prefix = f"{cluster.registry}/{specs.REPOSITORY}/" if cluster and cluster.registry else f"{specs.REPOSITORY}/"
    return Target(image, tag, local, f"{prefix}{image.name}:{tag}")


def deliver(builder: Engine, cluster: ClusterState, targets: Sequence[Target], base: str = "") -> None:
    """Brings images to the cluster: the node has them afterwards, and no older ones.

    Args:
        builder: what builds them.
        cluster: where they go.
        targets: the images.
        base: what they are built on; empty for the engine's Python base image.

    Raises:
        ImageError: a step failed.
    """
    if cluster.kind == "kind":
        make(builder, targets, base)
        node.load(cluster, [each.reference for each in targets])
        return
    on_node = node.present(cluster) if cluster.kind == "local" else set()
    lacking = [
        each
        for each in targets
        if not registry.digest(cluster.registry, each.image.name, each.tag)
        or (cluster.kind == "local" and each.reference not in on_node)
    ]
    if not lacking:
        say(f"images: nothing changed: {', '.join(each.image.name for each in targets)}")
        return
    make(builder, lacking, base, then=lambda each: _send(builder, cluster, each))
    if cluster.kind == "local":
        _forget(cluster, lacking)


def make(
    builder: Engine, targets: Sequence[Target], base: str = "", then: Callable[[Target], None] = lambda _: None
) -> None:
    """Builds what the engine lacks, two at a time, each followed by what is to be done with it.

    Raises:
        ImageError: a step failed.
    """
    builder.prepare()
    lacking = [each for each in targets if not builder.exists(each.local)]
    if lacking:
        base = base or builder.build_base()
    # Nothing is deleted while anything is built: what looks unused may be a step that a build has just made.
    for each in lacking:
        _make_room(builder, each)

    def one(each: Target) -> None:
        if each in lacking:
            _build_one(builder, each, base)
        then(each)

    with ThreadPoolExecutor(max_workers=2) as pool:
        for done in [pool.submit(one, each) for each in targets]:
            done.result()
    for each in lacking:
        builder.forget(each.image.name, each.tag)


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Makes two commands that find the same image missing build it once: the second waits for the first."""
    with exclusive("images"):
        yield


def _make_room(builder: Engine, each: Target) -> None:
    """Deletes gigabytes that are about to be replaced by others, with what was derived from them."""
    if any(not specs.same_slow_layers(tag, each.tag) for tag in builder.tags(each.image.name)):
        for derived in builder.repositories() if each.image == specs.TRAINER else ():
            if derived.startswith(DERIVED):
                builder.forget(derived, "")
        builder.forget(each.image.name, each.tag)


def _build_one(builder: Engine, each: Target, base: str) -> None:
    name = each.image.name
    say(f"{name}: building")
    with tempfile.TemporaryDirectory() as folder:
        secrets = downloads.secrets(Path(folder), builder.release())
        arguments = {"BASE": base} if base and each.image.on_base else {}
        if "ca_bundle" in secrets:
            arguments["SSL_CERT_FILE"] = downloads.MOUNTED_CA
        dockerfile = specs.ROOT / each.image.dockerfile
        context = specs.stage(each.image, Path(folder) / "context")
        seconds = builder.build(each.local, dockerfile, context, arguments, secrets)
    say(f"{name}: built in {seconds:.1f} s")


def _send(builder: Engine, cluster: ClusterState, each: Target) -> None:
    name = each.image.name
    if not registry.digest(cluster.registry, name, each.tag):
        seconds = builder.push(each.local, each.reference)
        say(f"{name}: pushed in {seconds:.1f} s")
    if cluster.kind == "local" and each.reference not in node.present(cluster):
        seconds = node.pull(cluster, each.reference)
        say(f"{name}: on the node in {seconds:.1f} s")


def _forget(cluster: ClusterState, targets: Sequence[Target]) -> None:
    """Deletes old tags after every push: what the registry deletes while another image arrives could be that image's
    layers.
    """
    slow = False
    for each in targets:
        stale = registry.forget(cluster.registry, each.image.name, each.tag)
        node.forget(cluster, each.image.name, each.tag)
        changed = any(not specs.same_slow_layers(tag, each.tag) for tag in stale)
        slow = slow or changed
        for derived in registry.repositories(cluster.registry) if changed and each.image == specs.TRAINER else ():
            if derived.startswith(DERIVED):
                registry.forget(cluster.registry, derived, "")
                node.forget(cluster, derived, "")
    if slow:
        registry.collect_garbage(cluster)
