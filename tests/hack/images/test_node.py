"""Old images leave the node: every record that would keep their gigabytes, and no record of anything else."""

from __future__ import annotations

from hack.images.node import outdated

RECORDS = {
    "registry.test/trainyard/trainer:a-1": "sha256:old",
    "registry.test/trainyard/trainer@sha256:old": "sha256:old",
    "sha256:config-of-old": "sha256:old",
    "registry.test/trainyard/trainer:a-2": "sha256:new",
    "registry.test/trainyard/trainer@sha256:new": "sha256:new",
    "sha256:config-of-new": "sha256:new",
    "registry.test/trainyard/trainer-fork:a-1": "sha256:fork",
    "sha256:config-of-fork": "sha256:fork",
    "pause:1": "sha256:pause",
    "sha256:config-of-pause": "sha256:pause",
}


def test_every_record_of_an_old_image_goes_and_all_others_stay() -> None:
    """Its tag, its digest and its configuration's; the current image's, a similar name's and the sandbox's stay."""
    assert outdated(RECORDS, "registry.test/trainyard/trainer", "a-2") == [
        "registry.test/trainyard/trainer:a-1",
        "registry.test/trainyard/trainer@sha256:old",
        "sha256:config-of-old",
    ]


def test_record_without_a_name_goes() -> None:
    """What an earlier deletion left behind is found by its configuration's record alone."""
    records = {
        name: digest for name, digest in RECORDS.items() if "trainer:a-1" not in name and "@sha256:old" not in name
    }
    assert outdated(records, "registry.test/trainyard/trainer", "a-2") == ["sha256:config-of-old"]


def test_another_tag_of_the_same_content_takes_nothing_with_it() -> None:
    """Two tags may name one manifest: the old name goes, the files stay."""
    records = {**RECORDS, "registry.test/trainyard/trainer:a-1": "sha256:new"}
    assert "sha256:config-of-new" not in outdated(records, "registry.test/trainyard/trainer", "a-2")


def test_no_tag_is_kept_when_none_is_named() -> None:
    """An image that is gone altogether leaves nothing."""
    gone = outdated(RECORDS, "registry.test/trainyard/trainer-fork", "")
    assert gone == ["registry.test/trainyard/trainer-fork:a-1", "sha256:config-of-fork"]
