"""The daemon speaks English to its files and its log, and to people in their language."""

import os
from contextlib import closing
from pathlib import Path

from leadmasterd.queries.database import open_for_reading
from leadmasterd.settings.paths import resolve_paths
from tests import forked
from tests.daemons import running
from tests.waiting import wait_for

SPANISH = {"LANG": "es_AR.UTF-8"}


def typed(state: Path, *words: str, node: bool = False) -> str:
    """What a command says to somebody who speaks Spanish. `node`: where it finds one, and a browser."""
    environment = {**os.environ, **SPANISH, "LEADMASTERD_STATE_DIR": str(state)}
    if node:
        programs = {"NODE": str(state.parent / "node"), "BROWSER": "/bin/true"}
        environment |= {f"LEADMASTERD_LISTENER__{name}": path for name, path in programs.items()}
    done = forked.run(*words, cwd=state.parent, env=environment)
    return done.stdout + done.stderr


def test_files_and_log_are_english_and_people_are_told_in_spanish(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(tmp_path, state, **SPANISH) as daemon:
        wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan", "the code")
        assert daemon.status["because"].startswith("WhatsApp asks for a scan")
        assert "WhatsApp pide un escaneo" in typed(state, "status")
        assert "no se puede hacer una copia de la sesión: la sesión no está lista" in typed(state, "auth", "snapshot")
    log = daemon.log.read_text()
    assert "waiting for a scan: WhatsApp asks for a scan" in log
    assert "stopped: asked to stop" in log
    assert "En el teléfono: WhatsApp > Ajustes > Dispositivos vinculados" in log, "around the code"
    paths = resolve_paths(None, str(state), "leadmaster.db")
    with closing(open_for_reading(paths)) as connection:
        stored = " ".join(str(each) for row in connection.execute("SELECT * FROM session_events") for each in row)
    assert "escaneo" not in stored
    assert "esperando el escaneo" in typed(state, "history")


def test_what_ends_the_daemon_is_told_in_spanish(tmp_path: Path) -> None:
    """A program that is missing, or another daemon on the same state."""
    state = tmp_path / "state"
    with running(tmp_path, state) as daemon:
        wait_for(lambda: daemon.status.get("phase") == "waiting_for_scan", "the code")
        assert "otro leadmasterd la está usando (pid " in typed(state, "run")
    (state / "leadmaster.db").unlink()
    (state / "leadmaster.db").mkdir()
    assert "leadmaster.db: es una carpeta; indicá un archivo" in typed(state, "run", node=True)
    (tmp_path / "config.toml").write_text('[listener]\nnode = "/nowhere/node"\n')
    assert "listener.node = /nowhere/node: no existe ese programa" in typed(state, "run")


def test_what_is_wrong_with_the_rules_is_told_in_spanish(tmp_path: Path) -> None:
    """The daemon stores it in English."""
    state = tmp_path / "state"
    (tmp_path / "rules.toml").write_text('extend = true\n[[rule]]\nid = "mine"\nintent = "nonsense"\n')
    with running(tmp_path, state, **SPANISH) as daemon:
        wait_for(lambda: "rules" in daemon.status.get("concerns", {}), "the mistake")
        assert daemon.status["concerns"]["rules"].startswith("cannot use ")
        shown = typed(state, "status")
    assert "el archivo de reglas tiene un error: no se puede usar" in " ".join(shown.split())


def test_a_database_that_cannot_be_used_is_told_in_spanish(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "leadmaster.db").write_bytes(b"no database" * 1000)
    with running(tmp_path, state, **SPANISH) as daemon:
        wait_for(lambda: daemon.trouble == "database_unusable", "the trouble")
        shown = typed(state, "status")
    assert "no es una base de datos SQLite" in " ".join(shown.split())
