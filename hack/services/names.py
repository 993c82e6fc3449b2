"""What the services, their accounts and their Secrets are called: what manifests, demo and tests agree on."""

from __future__ import annotations

NAMESPACE = "trainyard-services"
SYSTEM_NAMESPACE = "trainyard-system"
TEAM_NAMESPACE = "team-a"

POSTGRES = "postgres"
POSTGRES_PORT = 5432
DATABASE = "trainyard"
OPERATOR_ROLE = "trainyard_operator"
TEAM_ROLE = "team_a_trainer"
# In the operator's namespace and in the team's; each with the key `dsn`.
OPERATOR_SECRET = "trainyard-database"
TEAM_SECRET = "trainyard-db"

S3 = "s3"
S3_PORT = 7070
BUCKET = "trainyard"
# In the team's namespace, with the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
TEAM_S3_SECRET = "trainyard-s3"

# In the services' own namespace: what every other Secret is derived from.
CREDENTIALS = "credentials"


def dsn(role: str, password: str, host: str = f"{POSTGRES}.{NAMESPACE}.svc") -> str:
    """Writes the connection string of a role."""
    return f"postgresql://{role}:{password}@{host}:{POSTGRES_PORT}/{DATABASE}"


def endpoint(host: str = f"{S3}.{NAMESPACE}.svc") -> str:
    """Returns the URL of the S3 server."""
    return f"http://{host}:{S3_PORT}"
