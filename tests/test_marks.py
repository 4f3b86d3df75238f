"""What a record shows about its sender is decided by the listener, and for old lines, which have no marks, by us."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from leadmasterd.listener.programs import find_node
from leadmasterd.store.mending import marks_of
from leadmasterd.wire.decode import MARKS
from tests import wire

BUILDER = Path(__file__).resolve().parent.parent / "node_listener" / "src" / "message" / "message-line.js"
LISTENER = """
const { messageFields } = await import(process.argv[1]);
let given = '';
for await (const piece of process.stdin) given += piece;
const told = JSON.parse(given).map((raw) => messageFields(raw, 'live'));
process.stdout.write(JSON.stringify(told.map(({ marks = {}, data }) => ({ marks, data }))));
"""
SHOP = "5491155550100"
BUSINESS = "5491155550001@hosted"


def record(*, mine: bool = True, chat: str = wire.ANA, member: str | None = None, **more: object) -> dict[str, object]:
    """A record of the page, as its agent hands it over."""
    key = {"fromMe": mine, "remote": chat, "id": "3EB0A1", "participant": member}
    return {"id": key, "t": 1795400219, "type": "chat", "body": "hola", **more}


RECORDS = {
    "typed": record(),
    "typed by them": record(mine=False),
    "a copy of our list": record(broadcast=True, broadcastId="17@broadcast"),
    "a copy from the history": record(broadcast=True),
    "by somebody else's list": record(mine=False, broadcastId="18@broadcast"),
    "a paid campaign": record(bizSource="smb_promo", pmCampaignId="C1"),
    "a campaign of the app": record(smbClientCampaignId="C2"),
    "a campaign without its number": record(bizSource="smb_promo"),
    "another source": record(bizSource="other"),
    "a business AI": record(mine=False, bizBotType="biz_1p"),
    "Meta AI within a group": record(mine=False, chat="120363000000000001@g.us", member="867051314767696@bot"),
    "Meta AI under a number": record(mine=False, chat="120363000000000001@g.us", member="13135550002@c.us"),
    "a person in a group": record(mine=False, chat="120363000000000001@g.us", member=wire.BETO),
    "WhatsApp's own support": record(mine=False, isSupportAIMessage=True),
    "a template": record(isFromTemplate=True),
    "a template by its type": record(type="hsm"),
    "a template by its number": record(templateId="991"),
    "a template by its tag": record(hsmTag="MARKETING"),
    "a flow": record(type="interactive", nativeFlowName="order_details"),
    "a provider": record(author=f"{SHOP}:99@hosted"),
    "a provider under its LID": record(author="88001122334400:99@hosted.lid"),
    "a provider by the device": record(author=f"{SHOP}:99@c.us"),
    "another device of ours": record(author=f"{SHOP}:12@c.us"),
    "their provider": record(mine=False, author="5491155550001:99@hosted"),
    "the greeting of an ad": record(type="automated_greeting_message"),
    "to a business at a provider": record(senderOrRecipientAccountTypeHosted=True),
    "the chat of a business at a provider": record(mine=False, chat=BUSINESS),
    "from a business at a provider": record(mine=False, **{"from": "88001122334400@hosted.lid"}),
    "a verified name": record(mine=False, verifiedBizName="Panadería"),
    "our own verified name": record(verifiedBizName="Tienda"),
    "nothing but empty fields": record(mine=False, broadcastId="", bizBotType="", verifiedBizName="", hsmTag=None),
    "numbers and words for flags": record(broadcast=1, isFromTemplate="true", pmCampaignId=5, nativeFlowName=7),
}
"""What every mark comes from, and what looks alike and shows none."""


@pytest.fixture(scope="module")
def told() -> Mapping[str, Mapping[str, Any]]:
    """What the listener makes of each: its marks, and the record that stays on the line."""
    done = subprocess.run(
        [find_node(""), "--input-type=module", "-e", LISTENER, str(BUILDER)],
        input=json.dumps([*RECORDS.values()]),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(RECORDS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("name", RECORDS)
def test_an_old_line_shows_the_marks_that_the_listener_tells_today(
    told: Mapping[str, Mapping[str, Any]], name: str
) -> None:
    """Whatever is mended in one of the two belongs into the other one."""
    assert marks_of(told[name]["data"]) == told[name]["marks"]


def test_the_table_has_every_mark(told: Mapping[str, Mapping[str, Any]]) -> None:
    """Of docs/protocol.md: a new one needs a row, and then both sides."""
    assert {mark for each in told.values() for mark in each["marks"]} == MARKS.keys()
