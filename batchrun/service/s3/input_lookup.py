"""Looking at places in S3 before runs read them, several at once.

Each bucket is listed once, by the prefix of its first place: a refused HEAD has no body with the reason, and
means one thing where the bucket may be listed, and another where it may not. Nothing is charged to a caller
who did not agree to pay.

Belongs here: which calls show what about a place. Does not: which places there are (``manifest.inputs``),
making a call (``object_calls``), what follows (``cli``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import anyio

from batchrun.errors import AccessDeniedError, NotFoundError, RefusedError
from batchrun.model.texts.places import before_wildcards, matcher
from batchrun.ports.objects import Bucket, InputPlace, PlaceKind, Sight
from batchrun.service.s3.object_calls import ObjectCalls, Refusal, refused_in
from batchrun.side_by_side import each

_AT_ONCE: Final = 32
#: Pages of a thousand keys that are compared with one pattern.
_PAGES: Final = 10
#: Bytes of a key; no object can have a longer one.
_LONGEST_KEY: Final = 1024
#: Seconds after which a bucket that refuses is listed again.
_ASK_AGAIN: Final = 1.0
_ABSENT: Final = {
    PlaceKind.OBJECT: Sight.MISSING,
    PlaceKind.PREFIX: Sight.EMPTY,
    PlaceKind.PATTERN: Sight.UNMATCHED,
}


@dataclass(slots=True, kw_only=True)
class _Asked:
    """A bucket, and when it was listed."""

    told: Bucket
    at: float
    place: InputPlace  #: whose prefix was listed
    has_refused: bool = False  #: whether it refused anything since: no permission, or a lost login


class InputLookup:
    """Looks at places, and remembers their buckets."""

    def __init__(self, calls: ObjectCalls) -> None:
        self._calls = calls
        self._buckets: dict[tuple[str, bool], _Asked] = {}
        self._one_at_a_time = anyio.Lock()

    @property
    def buckets(self) -> Mapping[str, Bucket]:
        """The buckets by name."""
        return {name: asked.told for (name, _), asked in self._buckets.items()}

    async def look_at(self, places: Iterator[InputPlace], saw: Callable[[InputPlace, Sight], None]) -> None:
        """Look at each place, several at once, and call *saw* with each result as it comes.

        Raises:
            CallError: S3 cannot be asked; earlier results were passed on.
        """

        async def look(place: InputPlace) -> None:
            saw(place, await self.look(place))

        await each(look, places, at_once=_AT_ONCE)
        await self._confirm()

    async def look(self, place: InputPlace) -> Sight:
        """Look at one place. Raises CallError where S3 cannot be asked."""
        if len(place.key.encode(errors="replace")) > _LONGEST_KEY:
            return _ABSENT[place.kind]
        if not (await self.bucket(place)).exists:
            return Sight.NO_BUCKET
        try:
            return await self._seen(place)
        except AccessDeniedError:
            return Sight.HIDDEN

    async def _seen(self, place: InputPlace) -> Sight:
        match place.kind:
            case PlaceKind.OBJECT:
                return await self._object(place)
            case PlaceKind.PREFIX:
                page = await self._calls.page(place, prefix=place.key, most=2)
                # A folder made in the console is an object itself.
                return Sight.THERE if any(key != place.key for key in page.keys) else Sight.EMPTY
            case PlaceKind.PATTERN:  # pragma: no branch (there is no other)
                return await self._pattern(place)

    async def _object(self, place: InputPlace) -> Sight:
        seen = await self._calls.head(place)
        if isinstance(seen, Sight):
            return seen
        if seen is Refusal.NOT_FOUND:
            return Sight.MISSING
        # In a bucket that may be listed, a missing object is answered by a 404.
        bucket = await self._bucket_that_refused(place)
        return Sight.DENIED if bucket.may_list else Sight.HIDDEN

    async def _pattern(self, place: InputPlace) -> Sight:
        matches, begin, token = matcher(place.key), before_wildcards(place.key), None
        for _ in range(_PAGES):
            page = await self._calls.page(place, prefix=begin, token=token)
            if any(map(matches, page.keys)):
                return Sight.THERE
            if page.following is None:
                return Sight.UNMATCHED
            token = page.following
        return Sight.TOO_MANY

    async def bucket(self, place: InputPlace) -> Bucket:
        """Return a place's bucket, which is listed once. Raises CallError if S3 cannot be asked."""
        name = (place.bucket, place.pays)
        if name not in self._buckets:
            async with self._one_at_a_time:
                if name not in self._buckets:
                    await self._ask_again(place)
        return self._buckets[name].told

    async def _bucket_that_refused(self, place: InputPlace) -> Bucket:
        """Return a bucket that has just refused something, listed again in case the login was lost."""
        asked = self._buckets[place.bucket, place.pays]
        is_news, asked.has_refused = not asked.has_refused, True
        async with self._one_at_a_time:
            asked = self._buckets[place.bucket, place.pays]
            if is_news or anyio.current_time() - asked.at > _ASK_AGAIN:
                await self._ask_again(place)
                self._buckets[place.bucket, place.pays].has_refused = True
        return self._buckets[place.bucket, place.pays].told

    async def _confirm(self) -> None:
        """Check that refusals were not due to a lost login."""
        for asked in [one for one in self._buckets.values() if one.has_refused]:
            await self._ask_again(asked.place)

    async def _ask_again(self, place: InputPlace) -> None:
        at = anyio.current_time()
        self._buckets[place.bucket, place.pays] = _Asked(told=await self._ask(place), at=at, place=place)

    async def _ask(self, place: InputPlace) -> Bucket:
        try:
            page = await self._calls.page(place, prefix=before_wildcards(place.key), most=1)
        except NotFoundError:
            return Bucket(name=place.bucket, exists=False)
        except (AccessDeniedError, RefusedError) as error:
            exists = error.code != "InvalidBucketName"
            return Bucket(name=place.bucket, exists=exists, region=refused_in(error))
        return Bucket(name=place.bucket, may_list=True, region=page.region)
