"""docs/alerts.md, done word for word: its settings, its addresses, its commands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from leadmasterd.alerts.kinds import TRAITS, Kind
from leadmasterd.alerts.notifier import understand
from leadmasterd.cli.parser import make_parser
from leadmasterd.settings.model import load
from tests.mailboxes import mail_server_beside
from tests.waiting import LIMIT

ROOT: Final = Path(__file__).resolve().parent.parent
TEXT: Final = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
ADDRESSES: Final = re.findall(r"`((?!https)[a-z]+://[^`]+)`", TEXT.partition("## Addresses\n")[2].partition("\n## ")[0])
TOKENS: Final = {
    "tgram://TOKEN/CHAT": "tgram://123456789:AAabcdefghijklmnopqrstuvwxyz1234567/987654321",
    "slack://A/B/C": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "discord://ID/TOKEN": "discord://123456789012345678/abcdefghijklmnopqrstuvwxyz",
    "pover://USER@TOKEN": f"pover://{'u' * 30}@{'t' * 30}",
}
"""Values in the form of the service."""


_HOSTS: Final = {
    "tgram": "api.telegram.org",
    "slack": "hooks.slack.com",
    "discord": "discord.com",
    "pover": "api.pushover.net",
}


def test_the_settings_of_the_document_send_a_mail(tmp_path: Path) -> None:
    """With another server than the example's, which nobody has."""
    [settings] = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    [address] = re.findall(r'"(mailtos://.*?)"', settings)
    assert understand(address).warning == ""
    test = "leadmasterd alerts test"
    assert f"    {test}\n" in TEXT
    with mail_server_beside() as box:
        mine = address.replace("mailtos://shop%40example.com:PASSWORD@smtp.example.com", f"mailto://{box.place}")
        (tmp_path / "config.toml").write_text(settings.replace(address, mine))
        said = subprocess.run(
            [sys.executable, "-m", *test.split()],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "LANG": "C", "LC_MESSAGES": "en"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert re.fullmatch(r"localhost:\d+: mail to …@example.com: delivered in \d+\.\d s\.\n", said.stdout), said
        [mail] = box.mails
        assert (mail["to"], mail["from"]) == ("ana@example.com", "shop@example.com")


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_addresses_of_the_document_are_understood(address: str) -> None:
    """And go to their host."""
    understood = understand(TOKENS.get(address, address))
    host = _HOSTS.get(address.partition("://")[0]) or urlsplit(address).hostname or ""
    assert understood.shown.startswith(host)
    assert bool(understood.warning) == address.startswith("mailto://")


def test_the_table_of_kinds_is_that_of_the_code() -> None:
    """What waits in quiet hours, and whose end is told."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]+ \| (\w+) \| (\w*) ?\|$", TEXT, re.MULTILINE)
    documented = {
        Kind(kind): (waits == "told", end == "told") for kinds, waits, end in rows for kind in re.findall(r"\w+", kinds)
    }
    assert documented == {kind: (traits.urgent, traits.end_is_told) for kind, traits in TRAITS.items()}


def test_the_commands_and_other_settings_of_the_document_can_be_used(tmp_path: Path) -> None:
    """As they are written."""
    commands = re.findall(r"^    leadmasterd (.+)$", TEXT, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        assert make_parser().parse_args(command.split()).command in ("alerts", "config")
    sections = re.findall(r"^(    \[alerts\]\n(?:    .+\n)+)", TEXT, re.MULTILINE)
    assert len(sections) == 2
    for section in sections:
        file = tmp_path / "config.toml"
        file.write_text(section.replace("    ", ""))
        assert load(str(file))[0].alerts.in_use
