"""Between a browser and the page: takes away what Safari before 16.4 does not send. It can't be run here."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.waiting import LIMIT


@contextmanager
def without_fetch_metadata(page: int) -> Iterator[int]:
    """A port that leads to that of the page, without Sec-Fetch-… on the way."""

    class PassesOn(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("sec-fetch-")}
            connection = HTTPConnection("127.0.0.1", page, timeout=LIMIT)
            with suppress(OSError):  # either side has left
                body = self.rfile.read(int(headers.get("Content-Length", 0)))
                connection.request(self.command, self.path, body, headers)
                answer = connection.getresponse()
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.end_headers()
                while some := answer.read1(65536):
                    self.wfile.write(some)
            connection.close()

        do_POST = do_GET  # noqa: N815 - as http.server names it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), PassesOn)
    server.daemon_threads, server.block_on_close = True, False  # a page's events go on
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
