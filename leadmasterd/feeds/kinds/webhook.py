"""The kind `webhook`: posts as in Standard Webhooks 1.0.0, by choice with a CloudEvents envelope or a template.

A status 2xx is a success, whatever its body. Redirects are failures.
"""

import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from leadmasterd.feeds import envelope
from leadmasterd.feeds.kinds.client import FAILURES, drain, open_session, why
from leadmasterd.feeds.schedule import Outcome, Result, of_status, seconds_of
from leadmasterd.hosts import is_address, is_public
from leadmasterd.outbox.reading import Event
from leadmasterd.settings.feeds import WebhookFeed
from leadmasterd.text import later

TIMEOUT: Final = 20.0
"""Seconds for one try, from the connection to the answer's headers. Standard Webhooks recommends 15 to 30."""
CONCURRENCY: Final = 8
"""Events, all of different streams, that are posted at a time."""


class Webhook:
    """Posts to one URL. Made within the event loop."""

    concurrency = CONCURRENCY

    def __init__(self, settings: WebhookFeed, keys: Sequence[bytes], *, timeout: float = TIMEOUT) -> None:
        """`keys`: to sign with. `timeout`: seconds for one try; shorter in tests."""
        self._url = settings.url
        self._keys = keys
        self._template = settings.template
        self._cloudevents = settings.envelope == "cloudevents"
        private_hosts = {host.lower() for host in settings.private_hosts}
        host = urlsplit(settings.url).hostname or ""
        # The session's resolver refuses private addresses, but it is not asked if the URL has an address, not a name.
        self._is_private = is_address(host) and not is_public(host) and host not in private_hosts
        self._session = open_session(private_hosts=private_hosts, timeout=timeout, most_connections=CONCURRENCY)
        self._type = "application/cloudevents+json" if self._cloudevents else "application/json"

    async def deliver(self, event: Event, *, after_gap: bool) -> Outcome:
        """Try once: a POST of the event. One whose body is too large can never be delivered."""
        if self._template:
            value = envelope.by_template(self._template, event, after_gap=after_gap)
        elif self._cloudevents:
            value = envelope.cloud_event(event, after_gap=after_gap)
        else:
            value = envelope.standard(event, after_gap=after_gap)
        body = envelope.json_bytes(value)
        if len(body) >= envelope.MOST_BYTES:
            return Outcome(Result.IMPOSSIBLE, later("its body is larger than a webhook may have"))
        if self._is_private:
            return Outcome(Result.AGAIN, later("private address"))
        now = time.time()
        webhook_id = envelope.id_of(event)
        headers = {
            "content-type": self._type,
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": envelope.signature(self._keys, webhook_id=webhook_id, timestamp=int(now), body=body),
        }
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
                outcome = of_status(response.status, seconds_of(response.headers.get("retry-after"), now))
                await drain(response)
        except FAILURES as error:
            return Outcome(Result.AGAIN, why(error))
        return outcome

    def flush(self) -> None:
        """Nothing to do: what was delivered is at the receiver."""

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
