"""What other programs read of the cluster, and what its modules write."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import struct
import tarfile
import threading

import pytest

from hack.cluster import context, layout, local, network, runtime, state
from hack.cluster.component import write_if_changed
from hack.cluster.progress import ClusterError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of this test's own."""
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path))
    return tmp_path / "trainyard"


def test_a_folder_that_is_named_for_the_cache_keeps_its_own_content(cache, tmp_path):
    """Builds are deleted from the cache; a user's `bin` and `build` beside them are not in it."""
    assert layout.cache() == cache
    assert cache.parent == tmp_path


def test_a_saved_state_is_read_back(cache):
    """What `up` wrote is what tests, images and demo see; nothing, where nothing is up."""
    assert state.load() is None
    made = state.ClusterState(cache / "kubeconfig", "there", "127.0.0.1:1", cache / "bin", "local", "/run/x.sock")
    state.save(made)
    assert state.load() == made


@pytest.mark.usefixtures("cache")
def test_status_of_no_cluster_is_not_well(capsys):
    """Where nothing is up, status says how to change that and is not well."""
    assert local.status() is False
    assert "hack.cluster up" in capsys.readouterr().out


def test_an_unchanged_configuration_is_not_touched(tmp_path):
    """kube-proxy ends when its file is written, even with the same words."""
    path = tmp_path / "folder" / "config"
    write_if_changed(path, "a")
    before = path.stat().st_mtime_ns
    write_if_changed(path, "a")
    assert path.stat().st_mtime_ns == before
    write_if_changed(path, "b")
    assert path.read_text() == "b"


def test_a_context_that_is_not_there_is_refused_by_name(cache, monkeypatch):
    """A typing error in TRAINYARD_CONTEXT never falls back to another cluster."""
    kubeconfig = cache.parent / "config"
    kubeconfig.write_text(json.dumps({"contexts": [{"name": "staging"}]}))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    with pytest.raises(ClusterError, match=r"TRAINYARD_CONTEXT: .*\(staging\); got 'stagin'"):
        context.use("stagin")
    assert state.load() is None


def test_an_image_archive_holds_the_program_and_its_digest(tmp_path):
    """The pause image is one executable layer whose digest the configuration names, or containerd refuses it."""
    program = tmp_path / "pause"
    program.write_bytes(b"program")
    with tarfile.open(fileobj=io.BytesIO(runtime.image_archive("here/pause:1", program))) as archive:
        content = {name: archive.extractfile(name).read() for name in archive.getnames()}
    manifest = json.loads(content["manifest.json"])[0]
    assert manifest["RepoTags"] == ["here/pause:1"]
    layer = content[manifest["Layers"][0]]
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        assert files.getmember("pause").mode == 0o755
        assert files.extractfile("pause").read() == b"program"
    config = json.loads(content[manifest["Config"]])
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


@pytest.mark.parametrize(("flags", "answers", "resolved"), [(0x8180, 1, True), (0x8183, 0, False), (0x8180, 0, False)])
def test_a_name_resolves_only_with_an_answer(flags, answers, resolved):
    """A name server that answers "no such name", or nothing, is not ready."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        asked = []

        def serve():
            question, sender = server.recvfrom(512)
            asked.append(question)
            server.sendto(question[:2] + struct.pack(">5H", flags, 1, answers, 0, 0) + question[12:], sender)

        thread = threading.Thread(target=serve)
        thread.start()
        assert network.resolves("a.bc", "127.0.0.1", port=server.getsockname()[1]) is resolved
        thread.join()
    assert asked[0][12:] == b"\1a\2bc\0" + struct.pack(">2H", 1, 1)


def test_the_cluster_of_another_cache_is_not_touched(cache, tmp_path):
    """A second checkout with a cache of its own stops before it would clear away the first one's running cluster."""
    note = tmp_path / "owner"
    local.refuse_another_owners(note)
    note.write_text(str(cache))
    local.refuse_another_owners(note)
    note.write_text("/elsewhere/.cache/trainyard")
    with pytest.raises(ClusterError, match=r"TRAINYARD_CACHE=/elsewhere/.cache python -m hack.cluster down"):
        local.refuse_another_owners(note)
