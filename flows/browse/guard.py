"""Who may look: by the name that was asked for, by a token, and by what only our own page knows.

A page elsewhere must not read or mark samples through somebody's browser. Names that lead to this
machine by DNS rebinding are refused by the Host header; posts need a secret that stands in our page
alone; an address that others can reach needs a token, which becomes a cookie.
"""

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

FORM_HEADER = "x-flawcast-form"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Guard:
    """Checks of every request.

    Args:
        host: The address that the server listens on.
        token: The secret that a visitor needs; None admits everybody on this machine's loopback.
        form: A secret in our pages that every post must return.
        cookie: The cookie's name; servers on other ports of the machine use other names.
    """

    host: str
    token: str | None
    form: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie: str = field(default_factory=lambda: f"flawcast-{secrets.token_hex(4)}")

    @staticmethod
    def for_host(host: str) -> "Guard":
        """A guard for an address; only loopback needs no token."""
        return Guard(host, None if is_loopback(host) else secrets.token_urlsafe(32))

    async def __call__(self, request: Request, answer: Answer) -> Response:
        """Answer a request, or refuse it with a reason in one line."""
        refusal = self._refusal(request)
        if refusal is None and self.token and "token" in request.query_params:
            there = request.url.remove_query_params("token")
            here = f"/{there.path.lstrip('/')}?{there.query}".rstrip("?")
            response: Response = RedirectResponse(here, 303)
            response.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
        else:
            response = refusal or await answer(request)
        response.headers.update(HEADERS)
        return response

    def _refusal(self, request: Request) -> Response | None:
        """The reason to refuse a request; None if it is allowed."""
        if not self._is_ours(request.headers.get("host", "")):
            return _refused(421, "this server does not go by that name")
        if self.token:
            given = request.query_params.get("token") or request.cookies.get(self.cookie, "")
            if not _equal(given, self.token):
                return _refused(
                    401, "open the address that `flawcast browse` printed: it has a token"
                )
        if request.method not in ("GET", "HEAD"):
            origin = request.headers.get("origin")
            foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
            if foreign or not _equal(request.headers.get(FORM_HEADER, ""), self.form):
                return _refused(
                    403, "this did not come from a page of `flawcast browse`; reload it"
                )
        return None

    def _is_ours(self, header: str) -> bool:
        """Whether a Host header names this server: a number, or one of its own names."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        if is_loopback(self.host):
            return is_loopback(name)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            names = {"localhost", self.host, socket.gethostname(), socket.getfqdn()}
            return name.lower() in {known.lower() for known in names}
        return True  # rebinding needs a name


def is_loopback(host: str) -> bool:
    """Whether an address or name can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _equal(given: str, wanted: str) -> bool:
    """Compare secrets in constant time."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _refused(code: int, why: str) -> Response:
    """A refusal in one line."""
    return PlainTextResponse(f"flawcast: {why}\n", code)
