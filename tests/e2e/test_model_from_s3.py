"""Any causal language model that transformers can save trains from a bucket."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.demo.bucket import s3_client
from hack.kubectl import Kubectl, condition
from hack.services.connect import connect
from tests.e2e.llama_folder import save_random_llama
from tests.e2e.manifests import example
from tests.e2e.waiting import apply, ended

pytestmark = pytest.mark.e2e


def test_a_random_llama_with_its_own_tokenizer_trains_two_steps(clean: Kubectl, tmp_path: Path) -> None:
    """A Llama folder saved by transformers into S3, with another vocabulary, trains two GRPO steps through model.s3."""
    save_random_llama(tmp_path)
    s3 = s3_client(connect(clean.cluster))
    for path in sorted(tmp_path.iterdir()):
        s3.upload_file(str(path), "trainyard", f"models/llama/{path.name}")
    job = example(
        "calculator-grpo",
        metadata__name="llama",
        spec__model={
            "s3": {
                "bucket": "trainyard",
                "prefix": "models/llama",
                "secretRef": {"name": "trainyard-s3"},
                "endpoint": "http://s3.trainyard-services.svc:7070",
            }
        },
        spec__algorithm__grpo__steps=2,
        spec__evaluation=None,
    )
    apply(clean, job)
    found = ended(clean, "llama")
    assert condition(found, "Succeeded")["reason"] == "Completed", found["status"]
    assert found["status"]["progress"]["steps"] == "2/2"
