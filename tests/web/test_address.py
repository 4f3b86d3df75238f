"""Where the page is served, as `web link` reads it."""

import fcntl
import os
from pathlib import Path

import pytest

from leadmasterd.settings.paths import Paths, resolve_paths
from leadmasterd.web import address


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Of an empty state."""
    return resolve_paths(None, str(tmp_path), "leadmaster.db")


def test_it_is_known_while_the_page_lives(paths: Paths) -> None:
    """Only the first page of a state keeps it."""
    assert address.kept(paths) is None
    page = address.keep(paths, "http://127.0.0.1:8080/")
    assert page is not None
    assert address.kept(paths) == "http://127.0.0.1:8080/"
    assert address.keep(paths, "http://127.0.0.1:8081/") is None
    os.close(page)
    assert address.kept(paths) is None


def test_whoever_looks_where_it_is_keeps_no_page_from_saying_so(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking takes the lock for a moment."""
    file = paths.state_dir / "web.address"
    file.touch()
    looks = os.open(file, os.O_RDONLY)
    fcntl.flock(looks, fcntl.LOCK_SH)
    monkeypatch.setattr("leadmasterd.state.files.time.sleep", lambda _: fcntl.flock(looks, fcntl.LOCK_UN))
    page = address.keep(paths, "http://127.0.0.1:8080/")
    assert page is not None
    os.close(page)
    os.close(looks)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_roots_page_wrote_can_be_written_by_the_services(paths: Paths) -> None:
    """It belongs to whom the state belongs to."""
    os.chown(paths.state_dir, 4321, 4321)
    page = address.keep(paths, "http://127.0.0.1:8080/")
    assert page is not None
    os.close(page)
    written = (paths.state_dir / "web.address").stat()
    assert (written.st_uid, written.st_gid) == (4321, 4321)
