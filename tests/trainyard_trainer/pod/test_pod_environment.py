"""A pod's variables are read by the contract's names, and don't show."""

from __future__ import annotations

from pathlib import Path

from trainyard_trainer.pod.pod_environment import read_environment

GIVEN = {
    "TRAINYARD_POD_UID": "uid-1",
    "TRAINYARD_DATABASE_DSN": "postgresql://app:dsn-secret@db/x",
    "TRAINYARD_CHECKPOINTS_ACCESS_KEY_ID": "c-access",
    "TRAINYARD_CHECKPOINTS_SECRET_ACCESS_KEY": "c-secret",
    "TRAINYARD_MODEL_ACCESS_KEY_ID": "m-access",
    "TRAINYARD_MODEL_SECRET_ACCESS_KEY": "m-secret",
    "TRAINYARD_HUB_TOKEN": "hf_token",
    "TRAINYARD_BASELINE_ACCESS_KEY_ID": "b-access",
    "TRAINYARD_BASELINE_SECRET_ACCESS_KEY": "b-secret",
    "TRAINYARD_DATA_TRAIN_ACCESS_KEY_ID": "t-access",
    "TRAINYARD_DATA_TRAIN_SECRET_ACCESS_KEY": "t-secret",
    "TRAINYARD_DATA_TEST_ACCESS_KEY_ID": "e-access",
}


def test_everything_is_read() -> None:
    """Identity, login and every pair of keys; the run config's place has a default."""
    environment = read_environment(GIVEN)
    assert environment.run_config == Path("/etc/trainyard/run.json")
    assert environment.pod_uid == "uid-1"
    assert environment.checkpoints is not None
    assert environment.model is not None
    assert (environment.checkpoints.access_key, environment.model.secret_key) == ("c-access", "m-secret")
    assert environment.hub_token == "hf_token"
    assert environment.baseline is not None
    assert environment.hub_token == "hf_token"
    assert environment.baseline.secret_key == "b-secret"
    assert {name: keys.access_key for name, keys in environment.data.items()} == {"train": "t-access"}
    assert read_environment({"TRAINYARD_RUN_CONFIG": "/x/run.json"}).run_config == Path("/x/run.json")


def test_the_bound_of_the_caches_is_a_number_of_bytes() -> None:
    """None where there is none, or what isn't one."""
    for text, known in (("67108864", 2**26), ("", None), ("64Mi", None), ("²", None)):
        assert read_environment({"TRAINYARD_CACHE_BYTES": text}).cache_bytes == known
    assert read_environment({}).cache_bytes is None


def test_half_a_pair_of_keys_is_none() -> None:
    """Whoever needs it names the Secret."""
    assert read_environment({"TRAINYARD_MODEL_ACCESS_KEY_ID": "m-access"}).model is None


def test_secrets_are_known_and_do_not_show() -> None:
    """Log lines and messages are cleaned of exactly these."""
    environment = read_environment(GIVEN)
    secret = set(GIVEN.values()) - {"uid-1", "e-access"}
    assert set(environment.secrets) >= secret
    assert "dsn-secret" in environment.secrets
    assert not any(value in repr(environment) for value in secret)


def test_a_line_break_after_a_token_is_not_part_of_it() -> None:
    """Secrets made of files have one."""
    assert read_environment({"TRAINYARD_HUB_TOKEN": "hf_token\n"}).hub_token == "hf_token"
