"""The operator's own settings: environment variables, typed, each with its default.

Place in the data's way: read once, by `__main__`, before anything runs; all else is given what it needs. No I/O but
reading the environment. Prices are data, not settings: `money/prices.py` reads them from the file named here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar, cast

from trainyard_api.quantities import parse_quantity
from trainyard_operator.errors import TrainyardOperatorError

T = TypeVar("T")
_LEAST_BYTES: Final = "64Mi"
"""The least that a TrainingJob may ask for."""

LogFormat = Literal["json", "plain"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
PullPolicy = Literal["IfNotPresent", "Always", "Never"]


class SettingsError(TrainyardOperatorError, ValueError):
    """An environment variable is missing or malformed; the text names it, the rule and the value."""


@dataclass(frozen=True)
class Settings:
    """Everything the operator is told from outside."""

    trainer_image: str
    """TRAINYARD_TRAINER_IMAGE: image of trainer pods whose spec names none. Required."""
    image_pull_policy: PullPolicy
    """TRAINYARD_IMAGE_PULL_POLICY: of trainer pods. Default: IfNotPresent."""
    trainer_pull_secrets: tuple[str, ...]
    """TRAINYARD_TRAINER_PULL_SECRETS: comma-separated names, for pods whose spec names none. Default: none."""
    trainer_runtime_class: str
    """TRAINYARD_TRAINER_RUNTIME_CLASS: for pods whose spec names none. Default: the cluster's."""
    trainer_ephemeral_storage: str
    """TRAINYARD_TRAINER_EPHEMERAL_STORAGE: bytes as a quantity, for pods whose spec has none. Default: no bound."""
    trainer_shared_memory: str
    """TRAINYARD_TRAINER_SHARED_MEMORY: bytes as a quantity, for pods whose spec has none. Default: the runtime's."""
    prices_file: Path
    """TRAINYARD_PRICES_FILE: YAML, see `money/prices.py`. Default: /etc/trainyard/prices/prices.yaml."""
    dsn_file: Path
    """TRAINYARD_DSN_FILE: a file that holds the operator's Postgres DSN. Default: /etc/trainyard/database/dsn."""
    watch_namespaces: tuple[str, ...]
    """TRAINYARD_WATCH_NAMESPACES: comma-separated. Default: empty, all namespaces."""
    read_nodes: bool
    """TRAINYARD_READ_NODES: true where the operator may `get` nodes; false prices pods without their node's labels.
    Default: true."""
    health_port: int
    """TRAINYARD_HEALTH_PORT: serves /healthz and /readyz. Default: 8080."""
    metrics_port: int
    """TRAINYARD_METRICS_PORT: serves /metrics. Default: 9090."""
    tick_seconds: float
    """TRAINYARD_TICK_SECONDS: time between two looks at all jobs. Default: 5."""
    keep_finished_seconds: int
    """TRAINYARD_KEEP_FINISHED_SECONDS: time that what an ended job has left is kept. Default: 86400."""
    log_format: LogFormat
    """TRAINYARD_LOG_FORMAT: json or plain. Default: json."""
    log_level: LogLevel
    """TRAINYARD_LOG_LEVEL: DEBUG, INFO, WARNING or ERROR. Default: INFO."""


@dataclass(frozen=True)
class ReleaseSettings:
    """What `python -m trainyard_operator release` is told."""

    operator_namespace: str
    """TRAINYARD_OPERATOR_NAMESPACE: where the operator's Deployment is. Required."""
    operator_deployment: str
    """TRAINYARD_OPERATOR_DEPLOYMENT: its name. Required."""
    watch_namespaces: tuple[str, ...]
    """TRAINYARD_WATCH_NAMESPACES: as for the operator."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Reads the operator's settings from its environment.

    Raises:
        SettingsError: a variable is missing or malformed.
    """
    return Settings(
        trainer_image=_required(environment, "TRAINYARD_TRAINER_IMAGE"),
        image_pull_policy=cast(
            "PullPolicy",
            _one_of(environment, "TRAINYARD_IMAGE_PULL_POLICY", ("IfNotPresent", "Always", "Never")),
        ),
        trainer_pull_secrets=_names(environment, "TRAINYARD_TRAINER_PULL_SECRETS"),
        trainer_runtime_class=environment.get("TRAINYARD_TRAINER_RUNTIME_CLASS", "").strip(),
        trainer_ephemeral_storage=_quantity(environment, "TRAINYARD_TRAINER_EPHEMERAL_STORAGE"),
        trainer_shared_memory=_quantity(environment, "TRAINYARD_TRAINER_SHARED_MEMORY"),
        prices_file=Path(environment.get("TRAINYARD_PRICES_FILE") or "/etc/trainyard/prices/prices.yaml"),
        dsn_file=Path(environment.get("TRAINYARD_DSN_FILE") or "/etc/trainyard/database/dsn"),
        watch_namespaces=_names(environment, "TRAINYARD_WATCH_NAMESPACES"),
        read_nodes=_one_of(environment, "TRAINYARD_READ_NODES", ("true", "false")) == "true",
        health_port=_number(environment, "TRAINYARD_HEALTH_PORT", 8080, int, low=0, high=65535),
        metrics_port=_number(environment, "TRAINYARD_METRICS_PORT", 9090, int, low=0, high=65535),
        tick_seconds=_number(environment, "TRAINYARD_TICK_SECONDS", 5.0, float, low=0.1, high=60),
        keep_finished_seconds=_number(
            environment, "TRAINYARD_KEEP_FINISHED_SECONDS", 86_400, int, low=0, high=2**31 - 1
        ),
        log_format=cast("LogFormat", _one_of(environment, "TRAINYARD_LOG_FORMAT", ("json", "plain"))),
        log_level=cast("LogLevel", _one_of(environment, "TRAINYARD_LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR"))),
    )


def read_release_settings(environment: Mapping[str, str]) -> ReleaseSettings:
    """Reads the settings of the uninstall step from its environment.

    Raises:
        SettingsError: a variable is missing.
    """
    return ReleaseSettings(
        operator_namespace=_required(environment, "TRAINYARD_OPERATOR_NAMESPACE"),
        operator_deployment=_required(environment, "TRAINYARD_OPERATOR_DEPLOYMENT"),
        watch_namespaces=_names(environment, "TRAINYARD_WATCH_NAMESPACES"),
    )


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name}: must be set; got nothing")
    return value


def _one_of(environment: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    value = environment.get(name) or words[0]
    if value not in words:
        raise SettingsError(f"{name}: must be one of {', '.join(words)}; got {value!r}")
    return value


def _number(
    environment: Mapping[str, str], name: str, default: T, parse: Callable[[str], T], *, low: float, high: float
) -> T:
    text = environment.get(name)
    if not text:
        return default
    try:
        value = parse(text)
    except ValueError:
        raise SettingsError(f"{name}: must be a number; got {text!r}") from None
    if not low <= cast("float", value) <= high:
        raise SettingsError(f"{name}: must be from {low:g} to {high:g}; got {text!r}")
    return value


def _quantity(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "").strip()
    try:
        enough = not text or parse_quantity(text) >= parse_quantity(_LEAST_BYTES)
    except ValueError:
        enough = False
    if not enough:
        raise SettingsError(f"{name}: must be a number of bytes of at least {_LEAST_BYTES}, as 2Gi; got {text!r}")
    return text


def _names(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    parts = (part.strip() for part in environment.get(name, "").split(","))
    return tuple(part for part in parts if part)
