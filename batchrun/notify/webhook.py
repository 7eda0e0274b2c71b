"""
An HTTPS address that takes the summary, or a form of it, as the body of a POST.

The address may hold a token, so no message and no log line has more of it than the host.

Belongs here: which addresses are taken, one POST, and when it is repeated. Does not: how long all of it may
take (``teller``).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from batchrun.errors import NoticeError, UsageError
from batchrun.notify.channel import Channel
from batchrun.notify.forms import Form
from batchrun.version import __version__

if TYPE_CHECKING:
    import aiohttp

    from batchrun.clock import Clock
    from batchrun.notify.channel import Message

#: Seconds before each repetition.
_WAITS: Final = (1.0, 3.0)
#: Seconds for one POST: an answer takes well under one.
_PATIENCE: Final = 10.0
_TOO_MANY: Final = 429
_OK: Final = range(200, 300)
_ELSEWHERE: Final = range(300, 400)
_THEIR_FAULT: Final = range(500, 600)


class Webhook(Channel):
    """Posts to one address."""

    def __init__(self, url: str, *, clock: Clock, form: Form = Form.JSON) -> None:
        """
        Make one for *url*, which takes notices in this *form*.

        Raises:
            UsageError: It is none that a summary is sent to.
        """
        parts = _parts(url)
        self._url = url
        self._clock = clock
        self._form = form
        self._is_local = _is_loopback(parts.hostname or "")
        self._host = parts.hostname or ""
        if parts.scheme != "https" and not self._is_local:
            raise UsageError(
                f"--notify-url {parts.scheme}://{self._host}/...: the content must be encrypted on the way; "
                "give an https:// address (http:// is for this machine alone)"
            )

    @property
    def name(self) -> str:
        """The host: the rest may hold a token."""
        return f"--notify-url {self._host}"

    async def deliver(self, message: Message) -> None:
        """Post the summary; what may pass is repeated."""
        import aiohttp  # noqa: PLC0415 (takes long to import)

        # A proxy and its password come from the environment, but none stands between us and ourselves.
        async with aiohttp.ClientSession(
            trust_env=not self._is_local,
            timeout=aiohttp.ClientTimeout(total=_PATIENCE),
            headers={"User-Agent": f"batchrun/{__version__}", "Content-Type": "application/json"},
        ) as session:
            for wait in (*_WAITS, None):
                answer = await self._post(session, self._form.body(message))
                if answer is None:
                    return
                trouble, is_passing = answer
                if wait is None or not is_passing:
                    raise trouble
                await self._clock.sleep(wait)

    async def _post(self, session: aiohttp.ClientSession, body: str) -> tuple[NoticeError, bool] | None:
        """Post once, and return what went wrong and whether that may pass; None where it was taken."""
        import aiohttp  # noqa: PLC0415

        try:
            # Not to be led elsewhere: that address was not given by the user.
            async with session.post(self._url, data=body, allow_redirects=False) as answer:
                return _judged(answer.status)
        except (aiohttp.ClientError, OSError) as error:
            # Their text may hold the address.
            trouble = f"{self._host} cannot be reached: {type(error).__name__}"
            return NoticeError(trouble, cure="check the address and the network"), True


def _judged(status: int) -> tuple[NoticeError, bool] | None:
    if status in _OK:
        return None
    if status in _ELSEWHERE:
        return NoticeError(f"it answers {status}, a redirect", cure="give the address it leads to"), False
    is_passing = status == _TOO_MANY or status in _THEIR_FAULT
    cure = "ask whoever runs it" if is_passing else "check the address and its token"
    return NoticeError(f"it answers {status}", cure=cure), is_passing


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or any(character.isspace() for character in url):
        raise UsageError("--notify-url: that is not an address; give one such as https://hooks.example.org/x")
    return urlsplit(url)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
