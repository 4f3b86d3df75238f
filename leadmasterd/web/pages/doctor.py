"""`/session/doctor`: checks the machine whenever the page is loaded, and shows what is wrong and how to mend it."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadmasterd.web.render import render
from leadmasterd.web.site import site_of


def show(request: Request) -> Response:
    """What `leadmasterd doctor --quick` finds: no browser is started, and the network is not tried."""
    from leadmasterd.doctor import check_in_words, examine

    file = site_of(request).paths.file
    findings = list(examine(str(file) if file else None, start_browser=False))
    return render(request, "doctor.html", findings=findings, check=check_in_words)


ROUTES: Final = [Route("/session/doctor", show)]
