"""What the documents name exists: files, commands, make targets, tables."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from leadmasterd.cli.arguments import subcommands
from leadmasterd.cli.parser import make_parser
from leadmasterd.store.database import open_for_writing

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for folder in (ROOT, ROOT / "docs") for path in folder.glob("*.md"))
WITH_COMMANDS = ("README.md", "README.es.md", "docs/operations.md", "docs/guia.es.md", "CONTRIBUTING.md")
LANDING_PAGE_LINES = 110
INTERNAL = {
    "unjudged", "sent_bodies", "automatic_bodies", "derived_with", "outbox", "told", "word_index", "reworded",
    "checkpoints", "database_sizes", "raw_blocks", "_sqlite_migrations",
}  # fmt: skip
"""Tables that other programs should not read."""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_links_to_is_there(document: str) -> None:
    """Checks relative links, without the part after a #."""
    text = (ROOT / document).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    missing = [link for link in links if not (ROOT / document).parent.joinpath(link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_heading_that_a_document_links_to_is_there(document: str) -> None:
    """The part after a # is the heading as GitHub writes it: in small letters, - for spaces, no punctuation."""
    path = ROOT / document
    missing = []
    for file, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text()):
        headings = re.findall(r"^#+ (.+)$", (path.parent / file if file else path).read_text(), re.MULTILINE)
        if anchor not in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}:
            missing.append(f"{file}#{anchor}")
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_is_there(document: str) -> None:
    """Anything in backticks that looks like a file of this repository."""
    text = (ROOT / document).read_text()
    named = re.findall(r"`((?:leadmasterd|node_listener|tests|docs|systemd|tools)/[\w./-]+)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", WITH_COMMANDS[:-1])
def test_every_command_that_a_document_names_exists(document: str) -> None:
    """In examples and in backticks; so do its options."""
    known = subcommands(make_parser())
    typed = re.findall(
        r"(?:^    [\w/. -]*|`)leadmasterd(?: --config \S+)? ([a-z]+(?:-[a-z]+)?)([^`\n]*)",
        (ROOT / document).read_text(),
        re.MULTILINE,
    )
    commands = [(name, rest) for name, rest in typed if name != "has"]  # `status` prints "leadmasterd has been …"
    assert commands
    for name, rest in commands:
        assert name in known
        text = known[name].format_help()
        below = subcommands(known[name])
        if below and rest.split():
            assert rest.split()[0] in below, f"{name} {rest}"
            text += below[rest.split()[0]].format_help()
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in text, f"{name} {option}"


@pytest.mark.parametrize("document", [each for each in WITH_COMMANDS if each != "docs/operations.md"])
def test_every_make_target_that_a_document_names_exists(document: str) -> None:
    """`make TARGET` in text and in examples."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE))
    assert named
    assert named - targets == set()


def test_the_tables_that_other_programs_may_read_are_all_documented(tmp_path: Path) -> None:
    """The list in docs/operations.md matches a new database."""
    with closing(open_for_writing(tmp_path / "leadmaster.db")) as database:
        made = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    tables = {name for name in made if not name.startswith("sqlite_")} - INTERNAL
    paragraph = (
        (ROOT / "docs/operations.md").read_text().split("Tables that other programs may read:")[1].split("\n\n")[0]
    )
    assert set(re.findall(r"`(\w+)`", paragraph)) == tables


@pytest.mark.parametrize("document", ["README.md", "README.es.md"])
def test_a_readme_is_a_landing_page(document: str) -> None:
    """It is short and has the picture of the demo and the first commands."""
    text = (ROOT / document).read_text()
    assert text.count("\n") <= LANDING_PAGE_LINES
    assert "](docs/demo.svg)" in text
    assert all(command in text for command in ("make demo", "make run", "make test"))
