"""The rules of access, and the headers that every answer has, around all that this server does."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from batchrun.serve.access import Asked, Rules, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Handler

#: Nothing from elsewhere, nothing within the page that is not a file of ours, in nobody's frame.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}
_STATUS: Final = {
    Verdict.UNKNOWN: HTTPStatus.UNAUTHORIZED,
    Verdict.FOREIGN_HOST: HTTPStatus.MISDIRECTED_REQUEST,
    Verdict.FOREIGN_ORIGIN: HTTPStatus.FORBIDDEN,
    Verdict.NOT_A_READ: HTTPStatus.METHOD_NOT_ALLOWED,
}
_TEXT: Final = {
    Verdict.UNKNOWN: "Not known here.\n\nOpen the link that 'batchrun serve' printed when it was started; it "
    "is good for this browser until that ends.\n",
    Verdict.FOREIGN_HOST: "This server is not called that; see --allow-host in 'batchrun help serve'.\n",
    Verdict.FOREIGN_ORIGIN: "Other sites' pages may not ask here.\n",
    Verdict.NOT_A_READ: "Only GET.\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Stands before a handler."""

    rules: Rules
    cookie: str  #: its name: of this port, since browsers tell hosts apart by name alone

    def before(self, handle: Handler) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """Return *handle* with the rules before it; whatever goes wrong there is told without details."""

        async def guarded(request: web.BaseRequest) -> web.StreamResponse:
            verdict = self.rules.judge(self._asked(request))
            match verdict:
                case Verdict.LET_IN:
                    return await handle(request)  # type: ignore[arg-type]
                case Verdict.EXCHANGED:
                    return self._exchange()
                case _:
                    return refused(_STATUS[verdict], _TEXT[verdict])

        return guarded

    def _asked(self, request: web.BaseRequest) -> Asked:
        peer = request.transport and request.transport.get_extra_info("peername")
        return Asked(
            method=request.method,
            path=path_of(request),
            token=request.query.get("token"),
            cookie=request.cookies.get(self.cookie),
            peer=peer[0] if peer else "",
            hosts=tuple(request.headers.getall(hdrs.HOST, [])),
            headers={name.lower(): value for name, value in request.headers.items()},
        )

    def _exchange(self) -> web.Response:
        answer = web.Response(status=HTTPStatus.SEE_OTHER, headers={**HEADERS, hdrs.LOCATION: "/"})
        # Not Strict: a browser that follows a link in another site's page would not send it at first.
        answer.set_cookie(self.cookie, self.rules.session, httponly=True, samesite="Lax", path="/")
        return answer


def path_of(request: web.BaseRequest) -> str:
    """Return the path just as it was sent: with dots, it is none of ours."""
    return request.raw_path.partition("?")[0]


def refused(status: HTTPStatus, text: str) -> web.Response:
    """Answer with words alone, and hang up."""
    answer = web.Response(status=status, text=text, headers=HEADERS)
    answer.force_close()
    return answer
