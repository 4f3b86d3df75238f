"""`/events`: the stream by which an open page hears what has changed."""

from typing import Final

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from leadmasterd.web.guard import is_still_let_in
from leadmasterd.web.site import site_of


async def events(request: Request) -> StreamingResponse:
    """Server-sent events named `waiting`, `leads` and `session`, without content, while the session lasts."""
    stream = site_of(request).watch.stream(lambda: is_still_let_in(request))
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


ROUTES: Final = [Route("/events", events)]
