"""What manifests, demo and tests call the services."""

from __future__ import annotations

import psycopg.conninfo

from hack.services import names


def test_addresses_are_of_the_service_unless_another_is_given() -> None:
    """In the cluster a name, from this machine the Service's address; a DSN is one that Postgres' library reads."""
    assert psycopg.conninfo.conninfo_to_dict(names.dsn("jo", "pass")) == {
        "user": "jo",
        "password": "pass",
        "host": "postgres.trainyard-services.svc",
        "port": "5432",
        "dbname": "trainyard",
    }
    assert names.dsn("jo", "pass", "10.0.0.1").partition("@")[2] == "10.0.0.1:5432/trainyard"
    assert names.endpoint() == "http://s3.trainyard-services.svc:7070"
    assert names.endpoint("10.0.0.1") == "http://10.0.0.1:7070"
