"""The README's words, held against the code."""

import re
from pathlib import Path

import pytest

from leadmasterd.cli.arguments import subcommands
from leadmasterd.cli.parser import make_parser
from leadmasterd.store.schema import _FIRST, _LEADS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "README.es.md", "ARCHITECTURE.md", "docs/protocol.md", "docs/json.md")
OURS_ALONE = {"unjudged", "quick_replies", "derived_with"}
"""Tables that are nobody else's business."""


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_links_to_is_there(document: str) -> None:
    """Relative links only; what follows a # is a place inside."""
    text = (ROOT / document).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    missing = [link for link in links if not (ROOT / document).parent.joinpath(link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_is_there(document: str) -> None:
    """Anything in backticks that looks like a file of ours."""
    text = (ROOT / document).read_text()
    named = re.findall(r"`((?:leadmasterd|node_listener|tests|docs|systemd|tools)/[\w./-]+)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "README.es.md"])
def test_every_command_that_a_readme_names_can_be_typed(document: str) -> None:
    """In examples and in backticks, options included."""
    known = subcommands(make_parser())
    typed = re.findall(
        r"(?:^    [\w/. -]*|`)leadmasterd(?: --config \S+)? ([a-z]+(?:-[a-z]+)?)([^`\n]*)",
        (ROOT / document).read_text(),
        re.MULTILINE,
    )
    commands = [(name, rest) for name, rest in typed if name != "is"]  # what `status` prints is no command
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


@pytest.mark.parametrize("document", ["README.md", "README.es.md"])
def test_every_make_target_that_a_readme_names_exists(document: str) -> None:
    """`make WORD` in text and in examples."""
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^    |`)make ([a-z-]+)", (ROOT / document).read_text(), re.MULTILINE))
    assert named
    assert named - targets == set()


def test_the_tables_that_other_programs_may_read_are_all_documented() -> None:
    """The README's list is the schema's."""
    tables = set(re.findall(r"CREATE TABLE (\w+)", _FIRST + _LEADS)) - OURS_ALONE
    paragraph = (ROOT / "README.md").read_text().split("Tables that other programs may read:")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", paragraph)) == tables
