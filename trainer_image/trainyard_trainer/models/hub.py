"""Copies first weights from a Hugging Face Hub: one commit of one repository, without any of its code.

Place in the data's way: station 4. The only module that lets the Hub's library reach the network, and only while it
copies files; everything else in the process stays offline. What can't be read is the user's mistake; a server that
can't be reached, or gives half a file, is a crash, which is worth another attempt. The token goes to the Hub's own
host alone, and into no message.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, RevisionNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars

from trainyard_api import names
from trainyard_api.model_source import HubModel
from trainyard_api.termination import TerminationReason
from trainyard_trainer.errors import RefusedError

_log = logging.getLogger(__name__)

_FIELD: Final = "spec.model.huggingFace"
_SECONDS: Final = 30.0
_PARALLEL: Final = 4
_WEIGHTS: Final = "model.safetensors"
_INDEX: Final = "model.safetensors.index.json"
_SHARD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")
_OTHERS: Final = frozenset(
    {
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
        "chat_template.jinja",
        "chat_template.json",
    }
)
"""What is copied besides the weights: configs, tokenizers and chat templates; nothing that could run."""

disable_progress_bars()


def download_from_hub(model: HubModel, token: str, into: Path) -> int:
    """Copies a model's safetensors, config and tokenizer into a folder; verifies the Hub's sizes and hashes.

    Args:
        model: repository, commit, and where the Hub is.
        token: what the Hub is shown; empty for none.
        into: an existing, empty folder.

    Returns: bytes copied.

    Raises:
        RefusedError: MODEL_NOT_FOUND where repository or commit isn't there or may not be read; MODEL_UNSUITABLE where
            it holds no safetensors of transformers.
    """
    # Never a token that the library finds by itself in the environment or the home directory.
    api = huggingface_hub.HfApi(endpoint=model.endpoint, token=token or False)
    with _online(), _translated(model, token):
        info = api.model_info(model.repository, revision=model.revision, files_metadata=True, timeout=_SECONDS)
        if info.sha != model.revision:
            raise _refused(
                TerminationReason.MODEL_NOT_FOUND,
                f"must be a commit of {model.repository}; the server answers with another one",
                "revision",
                model.revision,
            )
        siblings = {each.rfilename: each for each in info.siblings or ()}

        def fetch(name: str) -> None:
            api.hf_hub_download(model.repository, name, revision=model.revision, local_dir=into)
            _verify(into / name, siblings[name])

        weights = _weights(model, siblings, fetch, into)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(fetch, sorted(weights | (_OTHERS & siblings.keys()))))
    shutil.rmtree(into / ".cache", ignore_errors=True)
    _log.info("model: %s at %s from the Hub", model.repository, model.revision)
    return sum(path.stat().st_size for path in into.iterdir())


def _weights(model: HubModel, siblings: Mapping[str, Any], fetch: Any, into: Path) -> set[str]:
    """Names the weight files that transformers would read; no copies in other formats or layouts beside them."""
    if "config.json" not in siblings:
        raise _unsuitable(model, "must hold a model of transformers: config.json")
    if _WEIGHTS in siblings:
        return {_WEIGHTS}
    if _INDEX not in siblings:
        raise _unsuitable(model, f"must hold weights as safetensors: {_WEIGHTS} or {_INDEX}; no other format is read")
    fetch(_INDEX)
    try:
        shards = {str(name) for name in json.loads((into / _INDEX).read_bytes())["weight_map"].values()}
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise _unsuitable(model, f"must hold an index that names its files: {_INDEX}") from error
    absent = sorted(name for name in shards if name not in siblings or not _SHARD.fullmatch(name))
    if absent or not shards:
        raise _unsuitable(model, f"must hold every file that {_INDEX} names; missing: {absent[:1]}")
    return shards


def _verify(path: Path, sibling: Any) -> None:
    """Compares a file with what its repository says of it: SHA-256 of a large one, git's blob hash of a small one.

    Raises:
        OSError: it is another file.
    """
    size = path.stat().st_size
    expected, total = None, hashlib.sha256()
    if sibling.lfs is not None:
        expected = sibling.lfs.sha256
    elif sibling.blob_id is not None:
        expected = sibling.blob_id
        total = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            total.update(chunk)
    if (sibling.size is not None and size != sibling.size) or expected not in (None, total.hexdigest()):
        raise OSError(
            f"{path.name}: {size} bytes with hash {total.hexdigest()}; the Hub promised {sibling.size} bytes "
            f"with hash {expected}"
        )


@contextmanager
def _online() -> Iterator[None]:
    """Lets the Hub's library use the network within a block, though the process is offline."""
    # The library's own client has a hook that keeps it offline; this one has none, and no credentials of a host either.
    huggingface_hub.set_client_factory(lambda: httpx2.Client(follow_redirects=True, timeout=_SECONDS))
    try:
        yield
    finally:
        huggingface_hub.set_client_factory(lambda: httpx2.Client(event_hooks={"request": [_refuse]}))


def _refuse(request: httpx2.Request) -> None:
    raise OfflineModeIsEnabled(
        f"a trainer reaches the Hub only to copy its first weights; asked for {request.url.host}"
    )


@contextmanager
def _translated(model: HubModel, token: str) -> Iterator[None]:
    """Turns the server's answers into the product's words; everything else passes."""
    try:
        yield
    except RevisionNotFoundError as error:
        raise _refused(
            TerminationReason.MODEL_NOT_FOUND, f"must be a commit of {model.repository}", "revision", model.revision
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:
        # The library may put an answer that it didn't expect of a file behind a failed look into its cache.
        answer = error if isinstance(error, HfHubHTTPError) else error.__cause__
        if not isinstance(answer, HfHubHTTPError):
            raise
        status = answer.response.status_code
        if status in {401, 403}:
            raise _forbidden(model, token, status) from error
        if status == 404:
            raise _refused(
                TerminationReason.MODEL_NOT_FOUND,
                "must be a repository of the Hub at its revision; a private one needs secretRef",
                "repository",
                model.repository,
            ) from error
        raise


def _forbidden(model: HubModel, token: str, status: int) -> RefusedError:
    if token and model.secret_ref is not None:
        return _refused(
            TerminationReason.MODEL_NOT_FOUND,
            f"the Secret's key {names.HUB_TOKEN_KEY} must hold a token that may read {model.repository} (the server "
            f"said {status}); a gated repository's terms must be accepted first",
            "secretRef.name",
            model.secret_ref.name,
        )
    return _refused(
        TerminationReason.MODEL_NOT_FOUND,
        f"must be a public repository, or secretRef must name a Secret whose key {names.HUB_TOKEN_KEY} holds a token "
        f"that may read it (the server said {status})",
        "repository",
        model.repository,
    )


def _unsuitable(model: HubModel, rule: str) -> RefusedError:
    return _refused(TerminationReason.MODEL_UNSUITABLE, rule, "repository", model.repository)


def _refused(reason: TerminationReason, rule: str, member: str, value: str) -> RefusedError:
    return RefusedError(reason, rule, field_path=f"{_FIELD}.{member}", value=value)
