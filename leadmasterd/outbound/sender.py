"""Hands approved requests to the gateway, one by one.

Whether each may be sent is decided again at that moment, and a request is attempted at most once, whatever happens.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from leadmasterd.errors import Refused
from leadmasterd.outbound.decision import Denied, Inbound, Policy, decide
from leadmasterd.outbound.gateway import Accepted, ApprovedMessage, Gateway, Recorded, Rejected
from leadmasterd.outbound.records import Records, State, StoredRequest
from leadmasterd.text import _

ACTOR: Final = "system"
"""The actor on record for what the program did by itself."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one approved request. `denied`: why it was held back; its state is unchanged then."""

    request_id: int
    state: State
    denied: Denied | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends what is approved. `inbound_of`: what is known of the recipient's messages to us. `clock`: an aware time."""

    records: Records
    gateway: Gateway
    policy: Policy
    inbound_of: Callable[[StoredRequest], Sequence[Inbound]]
    clock: Callable[[], datetime]

    def send_approved(self) -> Iterator[Outcome]:
        """Send all approved requests that may be sent now, the oldest first, and yield what became of each.

        The caller holds `only_sender`. So a request that is still `sending` was left by a sender that died: it becomes
        `unknown`, and those are yielded first.
        """
        for request_id in self.records.give_up_on_orphans(actor=ACTOR, now=self.clock()):
            yield Outcome(request_id, State.UNKNOWN)
        for stored in reversed(self.records.requests(State.APPROVED)):
            yield self._send(stored.request_id)

    def _send(self, request_id: int) -> Outcome:
        """Decide on one request, record the attempt and hand it over. Raises what the gateway raises.

        Decision and attempt are one transaction, so nothing that the decision depends on can change in between.
        """
        with self.records.transaction():
            stored = self.records.request(request_id)
            now = self.clock()
            facts = self.records.facts(stored, now, self.inbound_of(stored))
            answer = decide(stored.request, facts, self.policy, now)
            if isinstance(answer, Denied):
                return Outcome(request_id, stored.state, answer)
            self.records.begin_attempt(stored, gateway=self.gateway.name, actor=ACTOR, now=now)
        try:
            state, detail = self._hand_over(stored)
        except BaseException as error:
            # It may have been sent. To raise ends the sending, so a person can look at it before the next message.
            self.records.add_status(
                request_id, State.UNKNOWN, actor=ACTOR, now=self.clock(), detail=type(error).__name__
            )
            raise
        self.records.add_status(request_id, state, actor=ACTOR, now=self.clock(), detail=detail)
        return Outcome(request_id, state)

    def _hand_over(self, stored: StoredRequest) -> tuple[State, str | None]:
        """The request's new state by the gateway's answer, and the provider's id or error code if there is one."""
        assert stored.recipient is not None, "a forgotten person is suppressed"
        assert stored.text is not None, "a template that is not recorded is approved by nobody"
        message = ApprovedMessage(
            request_id=stored.request_id,
            account=stored.request.account,
            recipient=stored.recipient,
            content=stored.request.content,
            text=stored.text,
        )
        match self.gateway.send(message):
            case Recorded():
                return State.RECORDED, None
            case Accepted(message_id):
                return State.ACCEPTED, message_id
            case Rejected(code):
                return State.FAILED, code


@contextmanager
def only_sender(database: Path) -> Iterator[None]:
    """Hold a lock, so that no other process sends from these records meanwhile. Raises Refused if one does now."""
    fd = os.open(database.with_name(f"{database.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise Refused(_("cannot send: another leadmaster-outbound is sending now")) from error
    try:
        yield
    finally:
        os.close(fd)
