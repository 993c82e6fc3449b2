"""Claims about the kinds of values a manifest may hold: what each takes and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from trainyard_api import fields

ODD_TIMES = ["0001-01-01T00:00:00+01:00", "2026-01-01T11:59:59x1z"]
CASES: list[tuple[str, list[str], list[str]]] = [
    (
        "Time",
        ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456+02:00"],
        # The last four are times to the API server.
        ["soon", "", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00+99:99", "0000-01-01T00:00:00Z", *ODD_TIMES],
    ),
    ("Money", ["0", "0.50", "25", "999999999.999999"], ["", "-1", ".5", "1.", "1e3", "1,5", "1.1234567", " 1", "1\n"]),
    ("SignedDecimal", ["-1.0", "0", "0.123456789"], ["+1", "--1", "1e-3", "NaN", "inf"]),
    ("LearningRate", ["0", "1e-6", "3E-4", "0.001", "1.0"], ["1e3", "1e-", "10", "-1e-3", "1.5", "nan", "9"]),
    ("ObservedDecimal", ["-0.1", "12345678901234567890"], ["1e9", "nan", ""]),
    (
        "CPU",
        ["1", "10m", "10.5m", "0.01", "0.5", "64", "10k"],
        ["0", "9m", "0.009", "0.0001", "10.001k", "10001", "1e3", "1Ki", "-1", ""],
    ),
    (
        "Memory",
        ["64Mi", "67108864", "0.5Gi", "1.5Gi", "100M", "4294967296", "2Ti", "1Pi"],
        ["0", "512m", "64000000000m", "63Mi", "67108863", "67108864.5", "1.001Pi", "1e9", "1 Gi", "2GiB", "-1", ""],
    ),
    (
        "LabelKey",
        ["zone", "x" * 63, "a.b/c", "a" * 253 + "/b"],
        ["", "x" * 64, "a..b/c", "A.b/c", "/a", "a/", "a/b/c", "-a", "a" * 254 + "/b"],
    ),
    (
        "ImageReference",
        ["a", "a/b:1.2_x", "localhost:5000/a__b/c-d", "[::1]:5000/a", "r.example.com/a@sha256:" + "0" * 64],
        ["", "A", "a b", "a:", "a//b", "r.io/Team/a", "a:" + "t" * 129, "a@sha256", "a\n", "a\0"],
    ),
    ("AbsolutePath", ["/", "/a/b.c", "/é"], ["a", "", "/a b", "/a\n", "/a\0", "/a\x7f", "/" + "a" * 512]),
    ("Text", ["", "a é", "x" * 256], ["a\0", "a\nb", "a\tb", "\x1b[2J", "\x7f", "x" * 257]),
    ("Passage", ["", "a\n\tb é", "x" * 16_384], ["a\0", "a\r", "\x1b[2J", "\x7f", "x" * 16_385]),
    ("ObjectName", ["a", "a-b.c", "0"], ["A", "-a", "a-", "a_b", "", "a/b", "a..b", "a.-b", "a" * 254]),
    ("JobName", ["a" * 40, "calculator-sft"], ["a" * 41, "a.b", "A", "a-"]),
    ("Identifier", ["exact", "My_Task-1.2"], ["1a", "a b", "", "a/b", "a" * 64]),
    ("Bucket", ["my-bucket.x"], ["ab", "My-bucket", "-bucket", "bucket-", "a/b", "a" * 64]),
    ("KeyPrefix", ["", "a", "a/b-c/d_e.f", "team=a/x"], ["/a", "a/", "a//b", "..", "a/../b", ".a", "a/.b", "a b"]),
    (
        "Endpoint",
        [
            "https://s3.example.com",
            "http://s3.team.svc:7070",
            "http://[::1]:9000/s3",
            "http://10.0.0.1:65535",
            "http://a.",
        ],
        [
            *("s3.example.com", "ftp://a", "http://user:pw@host", "http://a?x=1", "http://a b", "https://"),
            *("http://a:0", "http://a:65536", "http://a:", "http://a..b", "http://a_b", "http://-a", "http://[::1"),
            *("http://[:]", "http://[1::2::3]", "http://[g::]", "http://[::ffff:1:2]", "http://" + "a" * 64),
        ],
    ),
    ("Uri", ["s3://bucket/a/", "file:///tmp/a"], ["http://a", "s3://", "s3://a b", "s3://a\0", "javascript:x"]),
    ("Digest", ["sha256:" + "0" * 64], ["sha256:" + "0" * 63, "md5:" + "0" * 64, "sha256:" + "G" * 64]),
    ("Uid", ["0b1c-2d"], ["", "a/b", "a b", "a" * 65]),
]


def adapter(name: str) -> TypeAdapter[Any]:
    """Checks values of one kind."""
    return TypeAdapter(getattr(fields, name))


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, taken, _ in CASES for value in taken])
def test_legal_value_is_taken(name: str, value: str) -> None:
    """What people write is accepted and kept as written."""
    assert adapter(name).validate_python(value) == value


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, _, refused in CASES for value in refused])
def test_illegal_value_is_refused(name: str, value: str) -> None:
    """What could mean something else, leave its folder or carry a login is refused."""
    with pytest.raises(ValidationError):
        adapter(name).validate_python(value)


def test_wire_has_no_null() -> None:
    """What isn't set is absent on the wire, and names are those of the API."""

    class Sample(fields.ApiModel):
        """A sample."""

        max_cost_usd: str = "1"
        """Set."""
        other: str | None = None
        """Not set."""

    assert Sample().to_wire() == {"maxCostUSD": "1"}
