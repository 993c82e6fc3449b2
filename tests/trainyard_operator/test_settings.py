"""Claims about the operator's environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainyard_operator.settings import SettingsError, read_release_settings, read_settings

REQUIRED = {"TRAINYARD_TRAINER_IMAGE": "trainer:1"}


def test_only_the_trainer_image_is_required() -> None:
    """Everything else has a documented default."""
    settings = read_settings(REQUIRED)
    assert settings.trainer_image == "trainer:1"
    assert (settings.health_port, settings.metrics_port, settings.tick_seconds) == (8080, 9090, 5.0)
    assert settings.prices_file == Path("/etc/trainyard/prices/prices.yaml")
    assert settings.dsn_file == Path("/etc/trainyard/database/dsn")
    assert settings.watch_namespaces == settings.trainer_pull_secrets == ()
    assert settings.trainer_runtime_class == settings.trainer_ephemeral_storage == settings.trainer_shared_memory == ""
    assert settings.read_nodes


def test_namespaces_are_a_comma_separated_list() -> None:
    """Spaces and empty parts don't count."""
    settings = read_settings(REQUIRED | {"TRAINYARD_WATCH_NAMESPACES": "team-a, team-b,"})
    assert settings.watch_namespaces == ("team-a", "team-b")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TRAINYARD_TRAINER_IMAGE", " ", "must be set"),
        ("TRAINYARD_HEALTH_PORT", "http", "must be a number"),
        ("TRAINYARD_METRICS_PORT", "70000", "from 0 to 65535"),
        ("TRAINYARD_TICK_SECONDS", "nan", "from 0.1 to 60"),
        ("TRAINYARD_READ_NODES", "yes", "one of true, false"),
        ("TRAINYARD_IMAGE_PULL_POLICY", "Sometimes", "one of IfNotPresent"),
        ("TRAINYARD_TRAINER_SHARED_MEMORY", "much", "a number of bytes of at least 64Mi"),
        ("TRAINYARD_TRAINER_EPHEMERAL_STORAGE", "500m", "a number of bytes of at least 64Mi"),
        ("TRAINYARD_LOG_FORMAT", "xml", "one of json, plain"),
        ("TRAINYARD_LOG_LEVEL", "LOUD", "one of INFO"),
    ],
)
def test_an_error_names_the_variable_the_rule_and_the_value(name: str, value: str, words: str) -> None:
    """What a person needs to mend it stands in one line."""
    with pytest.raises(SettingsError, match=f"^{name}: .*{words}.*; got"):
        read_settings(REQUIRED | {name: value})


def test_release_needs_the_deployments_name_and_namespace() -> None:
    """Without them it can't stop the operator first."""
    with pytest.raises(SettingsError, match="TRAINYARD_OPERATOR_NAMESPACE: must be set"):
        read_release_settings({})
    found = read_release_settings({"TRAINYARD_OPERATOR_NAMESPACE": "n", "TRAINYARD_OPERATOR_DEPLOYMENT": "d"})
    assert (found.operator_namespace, found.operator_deployment, found.watch_namespaces) == ("n", "d", ())
