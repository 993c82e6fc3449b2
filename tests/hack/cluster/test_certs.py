"""Certificates of the test cluster."""

from __future__ import annotations

import ipaddress
import stat

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hack.cluster.certs import Authority, signing_key


def _load(owner):
    pair = owner.pair if isinstance(owner, Authority) else owner
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def test_a_client_carries_its_user_and_groups_and_can_not_serve(tmp_path):
    """The user is the common name, the groups are the organisations, and no client can pose as a server."""
    certificate = _load(Authority(tmp_path).issue("node", "system:node:a", groups=["system:nodes", "more"]))
    subject = certificate.subject
    assert [each.value for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["system:node:a"]
    assert {each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)} == {
        "system:nodes",
        "more",
    }
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_server_names_what_it_answers_at(tmp_path):
    """Addresses are written as addresses and names as names, or TLS clients refuse them."""
    certificate = _load(Authority(tmp_path).issue("api", "api", hosts=["10.0.0.1", "kubernetes.default.svc"]))
    hosts = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert hosts.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.0.0.1")]
    assert hosts.get_values_for_type(x509.DNSName) == ["kubernetes.default.svc"]


def test_a_second_authority_on_the_folder_is_the_same_one(tmp_path):
    """A later `up` signs with the authority that the running components trust; another folder's is a stranger."""
    first = Authority(tmp_path / "one")
    again = Authority(tmp_path / "one")
    issued = _load(again.issue("late", "late"))
    issued.verify_directly_issued_by(_load(first))
    with pytest.raises((InvalidSignature, ValueError)):
        issued.verify_directly_issued_by(_load(Authority(tmp_path / "two")))


def test_keys_and_kubeconfigs_are_their_owners_alone(tmp_path):
    """Nobody else on the machine can read a key, whichever file it is in."""
    authority = Authority(tmp_path)
    pair = authority.issue("admin", "admin", groups=["system:masters"])
    config = authority.kubeconfig(tmp_path / "config", "https://10.0.0.1:6443", pair, context="here")
    for path in (authority.pair.key, pair.key, signing_key(tmp_path).key, config):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = yaml.safe_load(config.read_text())
    assert content["current-context"] == "here"
    assert content["clusters"][0]["cluster"]["server"] == "https://10.0.0.1:6443"
