"""What README, architecture and decisions name exists: files, folders, modules, and the ends of their links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("crds/trainyard_api", "operator/trainyard_operator", "trainer_image/trainyard_trainer")
PAGES = (
    "README.md",
    "docs/architecture.md",
    "docs/mutation.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs/decisions").glob("*.md")),
)
FILE = re.compile(r"[\w{},*.-]+\.(py|md|yaml|yml|sql|toml|txt|tpl|json|in|sh)\Z")
MODULE = re.compile(r"((trainyard_(api|operator|trainer))|hack|tests)(\.\w+)+\Z")
# Labels and finalizers, API groups with their version, folders outside of the repository, what a run writes.
ELSEWHERE = re.compile(r"([a-z]+\.)+(dev|io|com)/|[a-z.]+/v\d|[~/]|manifest\.json\Z")


@dataclass(frozen=True)
class Place:
    """A path or module as a page names it, with the folders that the headings above it name."""

    page: str
    line: int
    text: str
    folders: tuple[str, ...]

    def __str__(self) -> str:
        """For people."""
        return f"{self.page}:{self.line}: {self.text}"

    def found(self) -> list[Path]:
        """What it leads to; from the root, a package, the page, or the heading above it."""
        text = self.text.replace(".", "/") + "{.py,}" if MODULE.match(self.text) else self.text
        bases = [ROOT, (ROOT / self.page).parent, *(ROOT / base for base in (*PACKAGES, *self.folders))]
        return [path for one in alternatives(text) for base in bases for path in base.glob(one.rstrip("/") or ".")]

    def lacks(self) -> list[str]:
        """Its alternatives that lead nowhere; of a module it takes one."""
        if MODULE.match(self.text):
            return [] if self.found() else [self.text]
        each = [Place(self.page, self.line, text, self.folders) for text in alternatives(self.text)]
        return [str(place) for place in each if not place.found()]


def alternatives(text: str) -> list[str]:
    """`{a,b}/c` as `a/c` and `b/c`."""
    opened = re.search(r"\{([^{}]*)\}", text)
    if opened is None:
        return [text]
    begin, end = text[: opened.start()], text[opened.end() :]
    return [one for part in opened[1].split(",") for one in alternatives(begin + part + end)]


def places(page: str) -> Iterator[Place]:
    """All paths and modules in code spans of a page, and all links within the repository; no fenced block's."""
    headings: list[tuple[int, tuple[str, ...]]] = []
    text = re.sub(
        r"^```.*?^```$|<!--.*?-->",
        lambda block: "\n" * block[0].count("\n"),
        (ROOT / page).read_text(),
        flags=re.DOTALL | re.MULTILINE,
    )
    for number, line in enumerate(text.splitlines(), 1):
        spans = [span for span in re.findall(r"`([^`]+)`", line) if is_place(span)]
        links = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", line) if "://" not in target]
        if heading := re.match(r"#+", line):
            headings = [each for each in headings if each[0] < len(heading[0])]
            headings.append((len(heading[0]), tuple(span.rstrip("/") for span in spans)))
        folders = tuple(folder for _, named in headings for folder in named)
        yield from (Place(page, number, found, folders) for found in [*spans, *filter(None, links)])


def is_place(span: str) -> bool:
    """Whether a code span names a file, a folder or a module of the repository."""
    if ELSEWHERE.match(span) or re.search(r"[\s<>:=()]", span):
        return False
    return "/" in span or bool(FILE.match(span) or MODULE.match(span))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page: str) -> None:
    """Paths, globs, alternatives in braces, dotted modules and links lead to something."""
    assert [lack for place in places(page) for lack in place.lacks()] == []


def test_every_decision_is_linked_and_fits_on_a_page() -> None:
    """The architecture page leads to each; none is longer than 60 lines or lacks its price."""
    linked = {path.name for place in places("docs/architecture.md") for path in place.found()}
    decisions = list((ROOT / "docs/decisions").glob("*.md"))
    assert decisions
    for page in decisions:
        text = page.read_text()
        assert page.name in linked
        assert len(text.splitlines()) <= 60
        wanted = ["Context", "Choice", "Price", "When we would change our mind"]
        assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == wanted


def test_a_name_that_leads_nowhere_is_noticed(tmp_path: Path) -> None:
    """A missing file, one of two alternatives, a module and a broken link; what isn't a path is left alone."""
    page = tmp_path / "page.md"
    page.write_text(
        "# In `hack/`\n`cluster/local.py` `cluster/absent.py` `hack/{demo,absent}/` `hack.bench.absent`\n"
        "[x](absent.md) [y](https://absent/) `trainyard.dev/accounting` `batch/v1` `spec.absent` `make absent`\n"
    )
    found = [place.text for place in places(str(page)) if place.lacks()]
    assert found == ["cluster/absent.py", "hack/{demo,absent}/", "hack.bench.absent", "absent.md"]
