"""`leadmasterd auth`: its output for people and for programs."""

from datetime import UTC, datetime

import pytest

from leadmasterd.listener.profile import SESSION_FOLDERS, Auth
from leadmasterd.settings.paths import find_paths
from tests.test_cli_leads import Shop
from tests.test_cli_leads import shop as shop

NOW = datetime(2026, 11, 23, 3, 30, tzinfo=UTC)


@pytest.fixture
def auth(shop: Shop) -> Auth:
    """A session with one file in each of its folders."""
    paths = find_paths(None)
    for folder in SESSION_FOLDERS:
        (paths.profile / folder).mkdir(parents=True)
        (paths.profile / folder / "000003.log").write_text("secret")
    return Auth(paths)


def test_a_damaged_snapshot_has_a_code_for_programs_and_a_sentence_for_people(shop: Shop, auth: Auth) -> None:
    """A changed file and a missing one have different codes."""
    snapshot = auth.take_snapshot(account=None, browser=None, now=NOW)

    def listed() -> tuple[bool, str, str | None]:
        [found] = shop.types("auth", "list", "--json").json["snapshots"]
        return found["good"], found["code"], found["problem"]

    assert listed() == (True, "good", None)
    file = snapshot.path / SESSION_FOLDERS[0] / "000003.log"
    file.write_text("other!")
    good, code, problem = listed()
    assert (good, code) == (False, "changed")
    assert problem is not None
    assert problem in shop.types("auth", "list").out
    file.unlink()
    assert listed()[:2] == (False, "unreadable")


def test_what_was_done_is_told_as_a_code_with_values(shop: Shop, auth: Auth) -> None:
    """With --json, stdout has one object and no sentence."""
    taken = shop.types("auth", "snapshot", "--json").json
    assert taken["code"] == "taken"
    restored = shop.types("auth", "restore", "--json").json
    assert restored == {"code": "restored", "values": taken["values"]}
    reset = shop.types("auth", "reset", "--json").json
    assert (reset["code"], set(reset["values"])) == ("set_aside", {"path"})
    assert shop.types("auth", "reset", "--json").json == {"code": "no_session", "values": {}}


def test_a_snapshot_that_is_not_there_is_a_no(shop: Shop) -> None:
    """The error names the command that lists snapshots."""
    done = shop.types("auth", "restore", "20261123", "--json")
    assert (done.code, done.out) == (1, "")
    assert done.err == "cannot restore 20261123: there is no such snapshot; see `leadmasterd auth list`\n"
    done = shop.types("auth", "restore", "")
    assert done.err == 'cannot restore "": there is no such snapshot; see `leadmasterd auth list`\n'
    none = "cannot restore: there is no good snapshot; see `leadmasterd auth list`\n"
    assert shop.types("auth", "restore").err == none
    done = shop.types("auth", "snapshot")
    assert (done.code, done.out) == (1, "")
    assert "scan first" in done.err
