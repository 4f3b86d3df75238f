"""`refused.jsonl`: what was refused stays on record."""

import json
import logging
from pathlib import Path

import pytest

from leadmasterd.daemon import audit
from leadmasterd.daemon.audit import AuditFile


def test_each_refused_attempt_is_a_line_that_only_its_owner_reads(tmp_path: Path) -> None:
    """Of this life of the daemon and of earlier ones."""
    for life in ("page", "view"):
        AuditFile(tmp_path).append("WAWebSendMsgChatAction", "addAndSendMsgToChat", life)
    file = tmp_path / "refused.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["module"], line["function"], line["where"]) for line in lines] == [
        ("WAWebSendMsgChatAction", "addAndSendMsgToChat", "page"),
        ("WAWebSendMsgChatAction", "addAndSendMsgToChat", "view"),
    ]
    assert all(line["at"].endswith("Z") for line in lines)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_loop_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full file is put aside; one such is kept."""
    monkeypatch.setattr(audit, "LARGEST", 1000)
    file = AuditFile(tmp_path)
    for number in range(100):
        file.append("WAWebX", f"send{number}", "page")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["refused.jsonl", "refused.jsonl.1"]
    assert all(each.stat().st_size < 1200 for each in tmp_path.iterdir())
    assert "send99" in (tmp_path / "refused.jsonl").read_text()


def test_what_cannot_be_written_is_in_the_journal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the daemon goes on."""
    with caplog.at_level(logging.ERROR):
        AuditFile(tmp_path / "missing").append("WAWebX", "send", "page")
    assert "refused.jsonl" in caplog.text
