"""`leadmasterd alerts …` on a real `alerts.db` and real addresses."""

import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from leadmasterd.alerts.episodes import Episode, Fate, Key, What
from leadmasterd.alerts.kinds import Kind, Text
from leadmasterd.alerts.store import Delivery, Store
from leadmasterd.queries.alert_history import file_of
from leadmasterd.settings.paths import Paths, find_paths
from tests.mailboxes import mail_server_beside
from tests.test_cli_leads import Shop
from tests.test_cli_leads import shop as shop

NOBODY = "mailto://localhost:1?to=ana@shop.example&from=box@shop.example"


@pytest.fixture(autouse=True)
def _in_english(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing says otherwise it is Spanish, the language of the default country."""
    monkeypatch.setenv("LEADMASTERD_GENERAL__LANGUAGE", "en")


def configured(shop: Shop, *addresses: str) -> Paths:
    """These, and nothing else."""
    listed = ", ".join(f'"{each}"' for each in addresses)
    (shop.folder / "config.toml").write_text(f"[alerts]\nto = [{listed}]\n")
    paths = find_paths(None)
    paths.state_dir.mkdir(mode=0o700, exist_ok=True)
    return paths


def alerted(paths: Paths) -> None:
    """A scan is needed, which was told at one address and not at the other; and a customer waits for the morning."""
    now = datetime.now(UTC)
    with closing(Store(file_of(paths), now)) as store:
        for kind, fate, title in (
            (Kind.NEEDS_SCAN, Fate.DUE, "WhatsApp needs a scan"),
            (Kind.MISSED, Fate.HELD, "Ana waits\x1b[31m"),
        ):
            store.put_episode(Key(kind, ""), Episode(now, told=fate is Fate.DUE))
            store.add_note(Key(kind, ""), What.BEGAN, fate, Text(title, "x"), now=now)
        far = "mail.shop.example:587: mail to an…@shop.example"
        deliveries = {"a": Delivery(far, now, 2), "b": Delivery("b.example", None, 1, "full")}
        store.put_note(replace(store.notes[1], deliveries=deliveries))
        assert store.flush() == ""


def test_without_an_address_every_command_says_how(shop: Shop) -> None:
    """Only a test that nobody can get is a no."""
    for words, code in (("alerts list", 0), ("alerts test", 1)):
        done = shop.types(*words.split())
        assert (done.code, "docs/alerts.md shows how" in done.out + done.err) == (code, True)
    assert shop.types("alerts", "history").out == "Nothing has been told yet.\n"


def test_the_list_shows_addresses_without_secrets_and_what_is_open(shop: Shop) -> None:
    """One that can't be used is a line of its own."""
    alerted(configured(shop, "mailtos://box:s3cret@smtp.example?to=ana@x.example&from=b@x.example", NOBODY, "x://y"))
    done = shop.types("alerts", "list")
    assert done.code == 0
    assert "s3cret" not in done.out
    assert "smtp.example:587: mail to …@x.example" in done.out
    assert "problem     cannot use address 3 of `alerts`: x:// is not used" in done.out
    assert "careful     the mail is sent unencrypted" in done.out
    assert "WhatsApp needs a scan" in done.out
    assert "\x1b" not in done.out


def test_the_history_says_what_was_told_when_and_to_whom(shop: Shop) -> None:
    """And what failed or was held."""
    alerted(configured(shop, NOBODY))
    out = shop.types("alerts", "history").out
    assert out.index("missed") < out.index("needs_scan"), "the newest first"
    assert "held by quiet hours" in out
    assert "after 2 failed tries" in out
    assert re.search(r" 1 failed try: b\.example\n +full\n", out)
    done = shop.types("alerts", "history", "--limit", "1")
    assert "The newest 1 are shown: --limit 2 shows all." in done.err


def test_a_test_is_a_real_alert_and_says_what_became_of_it(shop: Shop) -> None:
    """At each address, in seconds; 1 if one failed, 78 if one can't be used. Nothing is noted."""
    with mail_server_beside() as box:
        address = f"mailto://{box.place}?to=ana@shop.example&from=box@shop.example"
        paths = configured(shop, address)
        done = shop.types("alerts", "test")
        assert (done.code, done.err) == (0, "")
        assert " mail to …@shop.example: delivered in 0." in done.out
        configured(shop, address, NOBODY)
        done = shop.types("alerts", "test")
        assert (done.code, done.err) == (1, "")
        assert "localhost:1: mail to …@shop.example: not delivered after 0." in done.out
        configured(shop, address, "x://y")
        done = shop.types("alerts", "test", "--json")
        assert (done.code, done.json["ok"], done.json["addresses"][0]["delivered"]) == (78, False, True)
        assert done.err.startswith("cannot use address 2 of `alerts`: x:// is not used for alerts")
        assert [str(mail["subject"]) for mail in box.mails] == ["leadmasterd: a test"] * 3
    assert not file_of(paths).exists()


def test_an_address_that_can_not_be_used_is_told_by_config_check(shop: Shop) -> None:
    """Before the daemon runs with it."""
    configured(shop, NOBODY)
    assert shop.types("config", "check").code == 0
    configured(shop, "wtsp://token@5491155550001/5491155550002")
    done = shop.types("config", "check")
    assert (done.code, done.err.count("\n")) == (78, 1)
    assert "5491155550001" not in done.err
    configured(shop)
    (shop.folder / "config.toml").write_text('[alerts]\nto_file = "none"\n')
    assert "cannot read the file" in shop.types("config", "check").err


@pytest.mark.parametrize("words", ["alerts list", "alerts history"])
def test_a_damaged_file_is_told(shop: Shop, words: str) -> None:
    """In a sentence, with what to do."""
    paths = configured(shop, NOBODY)
    file_of(paths).write_bytes(b"no database " * 1000)
    done = shop.types(*words.split())
    assert done.code == 73
    assert "move alerts.db* away" in done.err
    file_of(paths).unlink()
    with closing(sqlite3.connect(file_of(paths))) as connection:
        connection.execute("PRAGMA user_version = 99")
    done = shop.types(*words.split())
    assert (done.code, "another version of leadmasterd wrote it" in done.err) == (73, True)


def test_the_commands_speak_the_language_of_the_settings(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the alerts do."""
    monkeypatch.setenv("LEADMASTERD_GENERAL__LANGUAGE", "es")
    alerted(configured(shop, NOBODY))
    assert "cuidado     el correo viaja sin cifrar" in shop.types("alerts", "list").out
    assert "por las horas de silencio" in shop.types("alerts", "history").out
