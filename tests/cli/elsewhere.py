"""What the command talks to, served by the test itself: a HealthOmics with workflows, and an S3."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from html import escape
from typing import Any
from urllib.parse import unquote

import anyio
from aiohttp import web
from anyio.from_thread import BlockingPortal

from batchrun.clock import SystemClock
from batchrun.simulator import Parameter, Settings, Version, Workflow, serve

GERMLINE = Workflow(
    id="1234567",
    name="germline",
    parameters={
        "reads": Parameter(description="FASTQ files,\n# both: [R1, R2]\x1b[31m"),
        "reference: x": Parameter(),
        "threads": Parameter(description="CPUs", optional=True),
    },
    profiles={"test": {"reads": Parameter(optional=True)}},
    versions={
        "v2": Version(parameters={"only": Parameter(optional=True)}),
        "old": Version(status="INACTIVE"),
    },
)
#: The region of the bucket ``far``.
FAR = "eu-central-1"
BROKEN = Workflow(id="9", type="READY2RUN", status="FAILED")


def healthomics(portal: BlockingPortal, **changes: Any) -> Any:
    settings = Settings(
        **{"limits": {"*": None}, "workflows": (GERMLINE, BROKEN), "any_workflow": False, **changes}
    )
    return portal.wrap_async_context_manager(serve(settings, clock=SystemClock()))


class S3:
    """
    Buckets in memory: ListObjectsV2 in small pages, HEAD, GET and PUT.

    ``lab`` is a bucket, ``far`` one of another region, ``lost`` one that every region says is elsewhere,
    ``secret`` one that nobody may look into, ``unseen`` one that may be written to alone.
    """

    def __init__(self, keys: dict[str, str], page: int = 2) -> None:
        self.keys = sorted(keys)
        self.classes = keys
        self.page = page
        self.is_hanging = False  #: whether nothing is answered
        self._was_called = threading.Event()
        self.failures = 0  #: 503 for so many of the next calls
        self.url = ""
        self.calls = 0
        self.contents: dict[str, bytes] = {}  #: what GET gives, by key
        self.said_sizes: dict[str, int] = {}  #: by key, where it is not that of the content
        self.gets: Counter[str] = Counter()  #: of objects that are there, by key
        self.written: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}  #: that were written with it, by key
        self.lost_answers = 0  #: how many of the next PUTs are done, and answered as if they had failed
        self.at_write: list[Callable[[str], Awaitable[None]]] = []  #: told of each key before it is there

    @asynccontextmanager
    async def served(self):
        runner = web.AppRunner(app := web.Application(), shutdown_timeout=0.05)
        app.router.add_route("*", "/{path:.*}", self.answer)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        self._was_called.set()
        if self.is_hanging:
            await anyio.sleep_forever()
        if self.failures:
            self.failures -= 1
            return web.Response(status=503)
        bucket, _, key = unquote(request.raw_path.split("?")[0]).lstrip("/").partition("/")
        if bucket == "secret":
            return self.refusal(403, "AccessDenied")
        signed_for = request.headers.get("Authorization", "").partition("Credential=")[2].split("/")[2:3]
        if bucket == "lost" or (bucket == "far" and signed_for != [FAR]):
            return self.refusal(301, "PermanentRedirect", {"x-amz-bucket-region": FAR})
        if bucket not in {"lab", "far", "unseen"}:
            return self.refusal(404, "NoSuchBucket")
        if request.method == "HEAD":
            return self.head(bucket, key)
        if request.method == "PUT":
            return await self.put(key, request)
        if key:
            return await self.get(key, request)
        return self.listing(request.query)

    def wait_for_a_call(self) -> None:
        """Wait, in another thread than the one that serves, until somebody has called."""
        assert self._was_called.wait(30)

    def refusal(self, status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
        text = f"<Error><Code>{code}</Code></Error>"
        return web.Response(status=status, text=text, headers=headers, content_type="application/xml")

    async def get(self, key: str, request: web.Request) -> web.StreamResponse:
        if self.classes.get(key) == "DEEP_ARCHIVE":
            return self.refusal(403, "InvalidObjectState")
        if key not in self.contents:
            return self.refusal(404, "NoSuchKey")
        self.gets[key] += 1
        body = self.contents[key]
        answer = web.StreamResponse(headers={"Content-Length": str(self.said_sizes.get(key, len(body)))})
        await answer.prepare(request)
        await answer.write(body)
        assert request.transport is not None
        if key in self.said_sizes:
            request.transport.close()
        return answer

    async def put(self, key: str, request: web.Request) -> web.Response:
        for tell in self.at_write:
            await tell(key)
        is_there = key in self.written or key in self.contents
        if is_there and request.headers.get("If-None-Match") == "*":
            return self.refusal(412, "PreconditionFailed")
        self.written[key] = await request.read()
        told = {
            name: value for name, value in request.headers.items() if name.lower().startswith("x-amz-meta-")
        }
        self.headers[key] = {"Content-Type": request.content_type, **told}
        if self.lost_answers:
            self.lost_answers -= 1
            return web.Response(status=503)
        return web.Response(headers={"ETag": '"x"'})

    def head(self, bucket: str, key: str) -> web.Response:
        if bucket == "unseen":
            return web.Response(status=403)
        if key in self.written or key in self.contents:
            return web.Response(headers=self.headers.get(key, {}))
        if key not in self.classes:
            return web.Response(status=404)
        return web.Response(headers={"x-amz-storage-class": self.classes[key] or "STANDARD"})

    def listing(self, query: Any) -> web.Response:
        keys = [key for key in self.keys if key.startswith(query["prefix"])]
        start = int(query.get("continuation-token", 0))
        shown, more = keys[start : start + self.page], len(keys) > start + self.page
        items = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in shown)
        token = f"<NextContinuationToken>{start + self.page}</NextContinuationToken>" if more else ""
        return web.Response(
            content_type="application/xml",
            text=f"<ListBucketResult><Name>lab</Name><KeyCount>{len(shown)}</KeyCount>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}{items}</ListBucketResult>",
        )
