"""docs/feeds.md, done word for word: its receiver, its settings, its commands."""

import asyncio
import base64
import os
import re
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from leadmasterd.cli.parser import make_parser
from leadmasterd.feeds import envelope
from leadmasterd.feeds.kinds import Place
from leadmasterd.feeds.making import make_receiver
from leadmasterd.outbox.reading import Event
from leadmasterd.settings.model import load
from tests.feeds import AT
from tests.node_program import running
from tests.receivers import answers as http_answers
from tests.receivers import receiving
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


async def test_n8n_takes_with_the_text_of_the_document_what_the_settings_of_the_document_send(tmp_path: Path) -> None:
    """n8n itself is too large for tests; its stand-in does what was seen of version 2.41.1."""
    chapter = TEXT.partition("\n## n8n\n")[2].partition("\n## ")[0]
    [code] = re.findall(r"```js\n(.*?)```", chapter, re.DOTALL)
    [section] = re.findall(r"^(    \[feeds\.hub\]\n(?:    .+\n)+)", chapter, re.MULTILINE)
    assert code.count("whsec_…") == 1
    assert "n8n 2.41.1" in (ROOT / "tests" / "n8n.mjs").read_text()
    secret, other = (f"whsec_{base64.b64encode(bytes([each]) * 32).decode()}" for each in (1, 2))
    (tmp_path / "code.js").write_text(code.replace("whsec_…", secret))
    data = {"name": "Ñandú 🎉  x"}
    event = Event(7, "lead.opened", 3, AT, data, None)
    told = {"id": envelope.id_of(event), "type": "lead.opened", "timestamp": AT, "data": data}

    async with running("n8n.mjs", str(tmp_path / "code.js")) as ask:
        handed_on: list[Any] = []

        async def n8n(writer: asyncio.StreamWriter) -> None:
            request = hub.requests[-1]
            body = base64.b64encode(request.body).decode()
            answer = await ask({"headers": request.headers, "body": body})
            handed_on.append(answer.get("items"))
            await http_answers(answer["status"])(writer)

        async with receiving(n8n) as hub:
            file = tmp_path / "config.toml"
            file.write_text(section.replace("    ", "").replace("n8n.lan:5678", f"127.0.0.1:{hub.port}"))
            file.write_text(file.read_text().replace("n8n.lan", "127.0.0.1"))

            async def delivered(secrets: str) -> str:
                (tmp_path / "hub.secret").write_text(secrets)
                mine = make_receiver(load(str(file))[0].feeds["hub"], Place("hub", tmp_path, tmp_path))
                try:
                    return (await mine.deliver(event, after_gap=False)).why
                finally:
                    await mine.close()

            assert await delivered(secret) == "HTTP 200"
            assert await delivered(f"{other}\n{secret}") == "HTTP 200"
            assert await delivered(other) == "HTTP 500"
            assert handed_on == [[told], [told], None]
            [good, *_] = hub.requests
            for change in ({"webhook-id": "evt_8"}, {"webhook-timestamp": "1795435200"}, {"webhook-signature": "v1,"}):
                sent = {"headers": {**good.headers, **change}, "body": base64.b64encode(good.body).decode()}
                assert (await ask(sent))["error"] == "Error: not from leadmasterd"
            unsigned = {name: value for name, value in good.headers.items() if name != "webhook-signature"}
            assert (await ask({"headers": unsigned, "body": ""}))["error"] == "Error: not from leadmasterd"


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
