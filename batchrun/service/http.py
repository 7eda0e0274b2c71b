"""One exchange with an untrusted server: limited in bytes and time, without redirects."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import anyio
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import ProxyConfiguration

from batchrun.model.texts.foreign import is_loopback

if TYPE_CHECKING:
    import ssl

    import aiohttp

#: Bytes of an answer. The largest expected, a page of ListObjectsV2, has at most four million.
LARGEST: Final = 8 * 2**20
#: TLS contexts by botocore's ``verify``: a file of certificates, its own, or none.
_trusting: Final[dict[str | None, ssl.SSLContext]] = {}
_one_at_a_time: Final = threading.Lock()  #: aiobotocore makes them in threads


class AnswerTooLargeError(Exception):
    """The rest of the answer was not read."""

    def __init__(self) -> None:
        super().__init__(f"the answer has more than {LARGEST:,} bytes")


class Proxies(ProxyConfiguration):
    """The proxies that are set, for all but this machine: nobody's proxy leads back to it."""

    def proxy_url_for(self, url: str) -> str | None:  # type: ignore[override]  # its stub lacks None
        """Return the proxy for *url*, or None."""
        return None if is_loopback(url) else super().proxy_url_for(url)


class OneExchange(AIOHTTPSession):
    """Sends a client's requests, as ``http_session_cls`` of its configuration.

    Nothing is decompressed, so the bytes counted are those received: no service that we call compresses
    unasked.
    """

    def __init__(self, **settings: Any) -> None:
        """Make a session; ``timeout`` has the seconds for a connection, and those for a whole answer."""
        super().__init__(**settings)
        self._proxy_config = Proxies(settings.get("proxies"), settings.get("proxies_config"))
        self._longest: float = sum(settings["timeout"])
        # With one of these, botocore adds to the context that it makes.
        is_own = settings.get("client_cert") or settings.get("proxies_config")
        self._trusts: str | None = None if is_own else str(settings.get("verify", True))

    async def send(self, request: Any) -> Any:
        """Send *request*, and read the whole answer unless it is to be streamed.

        Raises:
            HTTPClientError: There was no answer, or it took too long or was too large.
        """
        with anyio.move_on_after(self._longest):
            return await super().send(request)
        raise ReadTimeoutError(endpoint_url=request.url, error="the answer has no end")

    def _build_verify_context(self) -> ssl.SSLContext:
        """Return the context that all clients with the same certificates share: reading them takes 20 ms.

        Versions of aiobotocore that do not call this method read them for each client.
        """
        with _one_at_a_time:
            made = _trusting.get(self._trusts)
            if made is None:
                made = super()._build_verify_context()  # type: ignore[misc]  # its stub lacks it
            if self._trusts is not None:
                _trusting[self._trusts] = made
            return made

    async def _get_session(self, proxy_url: str | None) -> _Session:
        return _Session(await super()._get_session(proxy_url))  # type: ignore[misc]  # its stub lacks it


class _Session:
    """aiohttp's session as far as it takes to send, without redirects."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, method: str, **asked: Any) -> _Answer:
        # A redirect would take the request, session token included, to another server.
        return _Answer(await self._session.request(method, allow_redirects=False, **asked))


class _Answer:
    """An answer of aiohttp that is read only up to a limit."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)

    async def read(self) -> bytes:
        """Return the body. Raises AnswerTooLargeError."""
        body = bytearray()
        try:
            async for chunk in self._answer.content.iter_any():
                body += chunk
                _check_size(body)
        except BaseException:
            self._answer.close()
            raise
        return bytes(body)


def _check_size(body: bytearray) -> None:
    if len(body) > LARGEST:
        raise AnswerTooLargeError
