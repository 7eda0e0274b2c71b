"""One exchange with a server that may do anything: bounded in bytes and time, and with nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio
from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import ReadTimeoutError

if TYPE_CHECKING:
    import aiohttp

#: Bytes of an answer. The largest that is asked for, a page of ListObjectsV2, has at most four million.
LARGEST: Final = 8 * 2**20


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

    async def send(self, request: Any) -> Any:
        """
        Send *request*, and read the whole answer unless it is one to be streamed.

        Raises:
            HTTPClientError: There was none, or more of it than there was time or room for.
        """
        with anyio.move_on_after(self._longest):
            return await super().send(request)
        raise ReadTimeoutError(endpoint_url=request.url, error="the answer has no end")

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
