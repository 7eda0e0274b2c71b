"""One exchange with a server that may do anything: bounded in bytes and time, and with nobody else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import anyio
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import ReadTimeoutError

if TYPE_CHECKING:
    import ssl

    import aiohttp

#: Bytes of an answer. The largest that is asked for, a page of ListObjectsV2, has at most four million.
LARGEST: Final = 8 * 2**20
#: What is trusted, by botocore's word for it: a file of certificates, its own, or nothing.
_trusting: Final[dict[str | None, ssl.SSLContext]] = {}
_one_at_a_time: Final = threading.Lock()  #: aiobotocore has threads make them


class AnswerTooLargeError(Exception):
    """The rest of the answer was not read."""

    def __init__(self) -> None:
        super().__init__(f"the answer has more than {LARGEST:,} bytes")


class OneExchange(AIOHTTPSession):
    """
    What sends a client's requests, as ``http_session_cls`` of its configuration.

    Nothing is decompressed, so what is counted is what came: no service that we call compresses unasked.
    """

    def __init__(self, **settings: Any) -> None:
        """Make one; its ``timeout`` is the seconds for a connection, and those for all of an answer."""
        super().__init__(**settings)
        self._longest: float = sum(settings["timeout"])
        # With one of these, something is added to what is made.
        is_own = settings.get("client_cert") or settings.get("proxies_config")
        self._trusts: str | None = None if is_own else str(settings.get("verify", True))

    async def send(self, request: Any) -> Any:
        """
        Send *request*, and read the whole answer unless it is one to be streamed.

        Raises:
            HTTPClientError: There was none, or more of it than there was time or room for.
        """
        with anyio.move_on_after(self._longest):
            return await super().send(request)
        raise ReadTimeoutError(endpoint_url=request.url, error="the answer has no end")

    def _build_verify_context(self) -> ssl.SSLContext:
        """
        Return the one of all clients that trust the same: to read the certificates takes 20 ms each time.

        Versions of aiobotocore that do not ask for it by this name read them for each client.
        """
        with _one_at_a_time:
            made = _trusting.get(self._trusts)
            if made is None:
                made = super()._build_verify_context()  # type: ignore[misc]  # its stub lacks it
            if self._trusts is not None:
                _trusting[self._trusts] = made
            return made

    async def _get_session(self, proxy_url: str | None) -> _Asker:
        return _Asker(await super()._get_session(proxy_url))  # type: ignore[misc]  # its stub lacks it


class _Asker:
    """As much of aiohttp's session as it takes to send, on our conditions."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, method: str, **asked: Any) -> _Answer:
        # Followed, a redirect would take the request, its session token included, to whoever it names.
        return _Answer(await self._session.request(method, allow_redirects=False, **asked))


class _Answer:
    """An answer that is read up to a bound, and otherwise is as aiohttp gives it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)

    async def read(self) -> bytes:
        """Read the body. Raises AnswerTooLargeError where it has more bytes than any answer needs."""
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
