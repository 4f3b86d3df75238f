"""docs/feeds.md, done word for word: its receiver, its settings, its commands."""

import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from leadmasterd.cli.parser import make_parser
from leadmasterd.settings.model import load
from tests.waiting import LIMIT, until_true

ROOT: Final = Path(__file__).resolve().parent.parent
TEXT: Final = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")
TRIAL: Final = TEXT.partition("## Try it on your own computer\n")[2].partition("\n## ")[0]


def block(language: str) -> str:
    """The only block of this language in the trial."""
    [found] = re.findall(rf"```{language}\n(.*?)```", TRIAL, re.DOTALL)
    return str(found)


def typed(words: str) -> list[str]:
    """The lines to type in the trial that begin with these words."""
    return re.findall(rf"^    ({words}.*)$", TRIAL, re.MULTILINE)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with closing(socket.socket()) as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("secret", ["the same", "another"])
def test_the_receiver_of_the_document_takes_what_the_settings_of_the_document_send(tmp_path: Path, secret: str) -> None:
    """With another port, because this one may be taken. With another secret it refuses."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    (tmp_path / "config.toml").write_text(block("toml").replace("8787", port))
    (tmp_path / "receiver.py").write_text(block("python").replace("8787", port))
    assert len(block("python").splitlines()) <= 24
    path = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    [make_secret], [start], [test] = typed("umask"), typed("python3"), typed("leadmasterd feeds test")
    subprocess.run(make_secret, shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / "hub.secret").stat().st_mode & 0o077 == 0
    receiver = subprocess.Popen(start.split(), cwd=tmp_path, env=path, stdout=subprocess.PIPE, text=True)
    try:
        until_true(lambda: answers(int(port)))
        if secret == "another":
            subprocess.run(make_secret, shell=True, cwd=tmp_path, check=True)
        said = subprocess.run(
            test.split(), cwd=tmp_path, env=path, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        if secret == "another":
            assert (said.returncode, "HTTP 401" in said.stdout) == (1, True), said
            return
        assert re.fullmatch(r"hub: delivered in \d\.\d\d s \(HTTP 204\)\.\n", said.stdout), said
        assert receiver.stdout
        assert "'type': 'test'" in receiver.stdout.readline()
    finally:
        receiver.kill()
        receiver.wait(LIMIT)
        if receiver.stdout:
            receiver.stdout.close()


def test_the_other_commands_and_settings_of_the_document_can_be_used(tmp_path: Path) -> None:
    """As they are written."""
    commands = re.findall(r"^    (?:[A-Z_]+='.*' )?leadmasterd (.+)$", TEXT, re.MULTILINE)
    assert len(commands) >= 10
    for command in commands:
        assert make_parser().parse_args(command.split()).command in ("feeds", "demo")
    sections = re.findall(r"^(    \[feeds\.\w+\]\n(?:    .+\n)+)", TEXT, re.MULTILINE)
    assert len(sections) >= 3
    for section in sections:
        file = tmp_path / "config.toml"
        file.write_text(section.replace("    ", "").replace('["whsec_…"]', f'["whsec_{"A" * 44}"]'))
        assert len(load(str(file))[0].feeds) == 1
