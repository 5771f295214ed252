"""Connections of the loopback PhysioNet: requests parsed, answers sent, faults carried out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from tests.fakes import loopback
from tests.fakes.physionet.faults import Fault, InBody, Reset, Stall
from tests.fakes.physionet.messages import Answer, Request

if TYPE_CHECKING:
    from tests.fakes.physionet.server import PhysioNet


class Connection(loopback.Connection):
    """One connection: parses requests, sends answers, does what faults say."""

    def _serve(self) -> None:
        target, request = self._request()
        site = cast("PhysioNet", self.server.owner)
        site.begin(request)
        try:
            self.body()
            self.pause(site.latency)
            answer, fault = site.answer(request, target)
            if answer is None:
                site.finish(request)
                self.hang_up(reset=False)
                return
            with answer.file:
                self._send(site, request, answer, fault)
        finally:
            site.finish(request)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _request(self) -> tuple[str, Request]:
        """The target without its host, and the request."""
        start = time.monotonic()
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            known = headers.get(name.title())
            headers[name.title()] = value if known is None else f"{known}, {value}"
        host, target = self.target()
        path = unquote(target.partition("?")[0])
        return target, Request(self.command, path, host, headers, start)

    def _send(self, site: PhysioNet, request: Request, answer: Answer, fault: Fault | None) -> None:
        """Send an answer. It counts as finished just before its last byte goes out."""
        request.status = answer.status
        self.send_response(answer.status)
        for name, value in answer.all_headers().items():
            self.send_header(name, value)
        length = 0 if request.method == "HEAD" else answer.length
        if not length:
            site.finish(request)
            self.end_headers()
            return
        self.end_headers()
        sent = 0
        if isinstance(fault, InBody):
            sent = min(fault.after_bytes, length - 1)
            self._send_body(answer, 0, sent)
            if not isinstance(fault, Stall):
                site.finish(request)
                self.hang_up(reset=isinstance(fault, Reset))
                return
            self.pause(fault.seconds)
        self._send_body(answer, sent, length - 1)
        site.finish(request)
        self._send_body(answer, length - 1, length)

    def _send_body(self, answer: Answer, first: int, end: int) -> None:
        # sendfile copies without Python's lock, so that the client in this process can go on.
        if end > first:
            sent = self.connection.sendfile(answer.file, answer.start + first, end - first)
            if sent != end - first:
                raise ConnectionAbortedError("The file became shorter while it was sent.")

    def version_string(self) -> str:
        return "nginx"
