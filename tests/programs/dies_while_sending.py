"""Sends what is approved in the records that are named, through a gateway that kills this process before it answers."""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

from leadmasterd.outbound.decision import Inbound, Policy, Source
from leadmasterd.outbound.gateway import ApprovedMessage
from leadmasterd.outbound.records import Records
from leadmasterd.outbound.sender import Sender, only_sender


class Dies:
    """Takes the message, and nobody learns what became of it."""

    name = "dies"

    def send(self, message: ApprovedMessage) -> NoReturn:
        print(f"sent {message.request_id} to {message.recipient}", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


database = Path(sys.argv[1])
now = datetime.now(UTC)
policy = Policy(enabled=True, account="100200300", zone=ZoneInfo("UTC"), quiet=None, account_cap=50, contact_cap=50)
sender = Sender(
    records=Records.open(database),
    gateway=Dies(),
    policy=policy,
    inbound_of=lambda _stored: [Inbound(Source.CLOUD_API, "100200300", now)],
    clock=lambda: now,
)
with only_sender(database):
    for outcome in sender.send_approved():
        print(outcome)
