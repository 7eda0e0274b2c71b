"""
Telling which runs belong to which rows, where the ledger does not know.

It was lost, it is an old copy, or another ledger has the batch too.

How it decides. A run that carries our tags names its row and attempt itself; its requestId says what it was
started with: the row's content, or what a retry made of the attempt before (a rule's change, a copy by
runId), which is made again and compared. A run without tags is the row's where it was asked for exactly what
the row asks for (name, workflow, output place, parameters), and where it is the only such run and the row the
only such row. Everything else is said, not guessed: a row that is started again by mistake
costs money, one that a person looks at costs a minute.

Belongs here: those decisions, and the events that a found run stands for. Does not: looking (``engine``).
"""

from __future__ import annotations

import enum
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from batchrun.model.duplicating import duplicate
from batchrun.model.events import (
    Accepted,
    Doubted,
    Event,
    Intended,
    Missed,
    Refused,
    Removed,
    Retried,
    Revised,
    seen,
)
from batchrun.model.retrying import changed
from batchrun.model.spec import (
    TAG_ATTEMPT,
    TAG_BATCH,
    TAG_ID,
    TAG_REQUEST_ID,
    Json,
    asked_parameters,
    digest,
    request_id,
)
from batchrun.model.states import ENDED, Outlook, outlook

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from batchrun.model.entry import Entry, Run, Sighting

#: Our own codes, in the history of what was made again.
LOST: Final = "LostWithTheLedger"
OTHER_CONTENT: Final = "OtherContent"

#: More attempts than any row has; a tag that says so was not written by us.
_MOST_ATTEMPTS: Final = 1000
#: Requests that an attempt is held against; more than any sensible rules lead to.
_MOST_REQUESTS: Final = 200
_WITHOUT_SUCCESS: Final = frozenset({Outlook.FAILED, Outlook.CANCELLED, Outlook.REMOVED})


class Match(enum.Enum):
    """What the service has for a row."""

    FOUND = "found"
    MISSING = "missing"  #: no run
    CHANGED = "changed"  #: a run that was started with other content than the row has now
    AMBIGUOUS = "ambiguous"  #: runs that could be the row's; only a person can tell
    KNOWN = "known"  #: nothing but what the ledger has already


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt of which a run was found."""

    number: int
    run: Run
    tagged: bool = True
    doubt: str | None = None  #: why the run is not what the row asks for now
    request: str | None = None  #: what a retry made of the attempt before; None is the row's content


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was found for one row."""

    match: Match
    attempts: tuple[Attempt, ...] = ()  #: with a run, oldest first; the last one decides
    rivals: tuple[str, ...] = ()  #: ids of the runs that cannot be told apart
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A run whose tags say that it is a row's."""

    run: Run
    attempt: int | None  #: None: no number that we would have written
    request_id: str | None


class Evidence:
    """What was seen at the service, by the row that it speaks of. Sightings are kept cut down to that."""

    def __init__(self, batch: str, changes: Sequence[str] = (), *, counts_namesakes: bool = False) -> None:
        """
        Begin without rows and runs.

        Args:
            batch: The batch's name.
            changes: What the retry rules may have changed from one attempt to the next.
            counts_namesakes: Whether a run without tags that bears a row's name, and was asked for something
                else, is taken for what the row asked for once.
        """
        self._batch = batch
        self._changes = changes
        self._counts_namesakes = counts_namesakes
        self._ids: set[str] = set()
        self._rows_named: Counter[str] = Counter()
        self._rows_asking: Counter[str] = Counter()
        self._claims: defaultdict[str, list[_Claim]] = defaultdict(list)
        self._untagged: defaultdict[str, list[Run]] = defaultdict(list)  # by what was asked for
        self._strangers: defaultdict[str, list[Run]] = defaultdict(list)  # by name
        self.gone = 0  #: runs of the batch whose rows the manifest does not have
        self.elsewhere: Counter[str] = (
            Counter()
        )  #: runs of these names by the other batch that they belong to

    def expect(self, entry_id: str, request: str) -> None:
        """Take note of a row to look for, with its canonical request; before its runs are added."""
        wanted = json.loads(request)
        self._ids.add(entry_id)
        self._rows_named[str(wanted.get("name"))] += 1
        self._rows_asking[_asked_by(wanted)] += 1

    def add(self, sighting: Sighting) -> None:
        """Take note of a run."""
        tags = sighting.tags
        if TAG_BATCH not in tags:
            self._add_untagged(sighting)
        elif tags[TAG_BATCH] != self._batch:
            self.elsewhere[tags[TAG_BATCH]] += 1
        elif tags.get(TAG_ID) not in self._ids:
            self.gone += 1
        else:
            attempt = _attempt(tags.get(TAG_ATTEMPT, ""))
            claim = _Claim(run=sighting.run, attempt=attempt, request_id=tags.get(TAG_REQUEST_ID))
            self._claims[tags[TAG_ID]].append(claim)

    def _add_untagged(self, sighting: Sighting) -> None:
        asked = _asked(sighting.name, sighting.workflow_id, sighting.output_uri, sighting.parameters)
        if asked in self._rows_asking:
            self._untagged[asked].append(sighting.run)
        elif self._counts_namesakes and sighting.name is not None and sighting.name in self._rows_named:
            self._strangers[sighting.name].append(sighting.run)

    def judge(self, entry: Entry, *, tagged: bool) -> Judgement:
        """
        Say what was found for a row, after everything was added: attempts that its ledger does not know.

        Args:
            entry: The row; runs of attempts before its current one, and of that one where it was sent, are
                known and say nothing.
            tagged: Whether the batch's runs were started with our tags.
        """
        claims = [claim for claim in self._claims.get(entry.id, ()) if _is_unknown(claim, entry)]
        if claims:
            return _by_tags(entry, claims, self._changes)
        if entry.state in ENDED:
            return Judgement(match=Match.MISSING)
        wanted = json.loads(entry.request)
        asked, name = _asked_by(wanted), str(wanted.get("name"))
        fits = self._untagged.get(asked, [])
        if tagged:
            return _not_ours(fits)
        is_only_row = self._rows_asking[asked] == 1
        if fits:
            return _by_content(entry, fits, is_only_row=is_only_row)
        return _like_named(self._strangers.get(name, []), is_only_row=self._rows_named[name] == 1)


def story(entry: Entry, attempts: Sequence[Attempt], at: datetime, *, again: bool) -> Iterator[Event]:
    """
    Return the events that lead *entry*, whose current attempt has no run or has ended, to where its runs are.

    An attempt of which nothing is left, but after which others came, is told as lost.

    Args:
        entry: With the row's content; attempts of which no other is known are told with it too.
        attempts: What was found, oldest first; one at least, none of them known to the entry.
        at: Now.
        again: Whether the row's content is to be run as a new attempt after that.
    """
    found = {attempt.number: attempt for attempt in attempts}
    is_over = entry.state in ENDED
    for number in range(entry.attempt + is_over, attempts[-1].number + 1):
        attempt = found.get(number)
        if number > entry.attempt:
            yield _next(entry, attempt, at)
        if attempt is not None:
            yield from _found(attempt, at, is_last=number == attempts[-1].number)
        else:
            following = next(one for one in attempts if one.number > number)
            yield from _lost(following.run.creation_time or at, at)
    if again:
        yield _next(entry, None, at)


def _next(entry: Entry, attempt: Attempt | None, at: datetime) -> Event:
    """Return the event that begins *attempt*; without one, an attempt with the row's content."""
    if attempt is None or attempt.request is None:
        return Revised(at=at, request=entry.content)
    return Retried(at=at, due=at, why="found at the service", request=attempt.request)


def _lost(no_later_than: datetime, at: datetime) -> Iterator[Event]:
    yield Intended(at=no_later_than)
    yield Refused(
        at=at, code=LOST, message="no run of this attempt was found at the service, but of a later one"
    )


def _found(attempt: Attempt, at: datetime, *, is_last: bool) -> Iterator[Event]:
    yield Intended(at=attempt.run.creation_time or at, tagged=attempt.tagged)
    if attempt.doubt is not None:
        yield Doubted(at=at, code=OTHER_CONTENT, message=attempt.doubt)
    yield Accepted(at=at, run=attempt.run, was_found=True)
    event = seen(attempt.run, at)
    # What another attempt came after is over, whatever is left of it.
    yield Removed(at=at, message=event.message) if isinstance(event, Missed) and not is_last else event


def _attempt(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_ATTEMPTS))
    return int(text) if is_number and 1 <= int(text) <= _MOST_ATTEMPTS else None


def _is_unknown(claim: _Claim, entry: Entry) -> bool:
    """Report whether the ledger cannot know the run: it is of an attempt that was not sent from here."""
    if claim.attempt is None:
        return True
    return claim.attempt > entry.attempt or (claim.attempt == entry.attempt and entry.state not in ENDED)


def _by_tags(entry: Entry, claims: Sequence[_Claim], changes: Sequence[str]) -> Judgement:
    by_attempt: defaultdict[int, list[_Claim]] = defaultdict(list)
    for claim in claims:
        if claim.attempt is None:
            return _ambiguous(
                [claim.run], f"its tag {TAG_ATTEMPT} is not an attempt's number; correct or remove it"
            )
        by_attempt[claim.attempt].append(claim)
    attempts: list[Attempt] = []
    requests = _Requests(entry, changes)
    for number, rivals in sorted(by_attempt.items()):
        ids = requests.by_id(number)
        own = [claim for claim in rivals if claim.request_id in ids] or rivals
        if len(own) > 1:
            return _ambiguous(
                [claim.run for claim in own],
                f"each is tagged as attempt {number} of this row; remove the tags from those that are copies",
            )
        asked = ids.get(own[0].request_id or "")
        attempts.append(_tagged(own[0], number, asked, entry.content))
        requests.found(asked, own[0].run)
    match = Match.FOUND if attempts[-1].doubt is None else Match.CHANGED
    return Judgement(match=match, attempts=tuple(attempts))


class _Requests:
    """What an attempt of one row can have asked for, given the attempts before it."""

    def __init__(self, entry: Entry, changes: Sequence[str]) -> None:
        self._entry = entry
        self._changes = changes
        self._number = entry.attempt  #: the attempt that `_possible` is for
        self._possible = {entry.request, entry.content}
        if entry.state in ENDED:
            self._advance(entry.run)

    def by_id(self, number: int) -> Mapping[str, str]:
        """Return by requestId what attempt *number* may have asked for; numbers come in their order."""
        while self._number < number:
            self._advance(None)
        batch, entry_id = self._entry.batch, self._entry.id
        return {request_id(batch, entry_id, number, text): text for text in self._possible}

    def found(self, request: str | None, run: Run) -> None:
        """Take note of the attempt's run, and of what it asked for, where that is known."""
        if request is not None:
            self._possible = {request}
        self._advance(run)

    def _advance(self, run: Run | None) -> None:
        """Go on to the next attempt: only an end without success leads to one that departs from the row."""
        content = self._entry.content
        possible = {content}
        if run is None or outlook(run.status) in _WITHOUT_SUCCESS:
            possible |= self._possible
            possible |= {changed(text, change) for text in self._possible for change in self._changes}
            possible |= {duplicate(text, run.id) for text in self._possible if run is not None}
        self._possible = {content, *sorted(possible)[:_MOST_REQUESTS]}
        self._number += 1


def _tagged(claim: _Claim, number: int, asked: str | None, content: str) -> Attempt:
    if asked is None:
        doubt = f"run {claim.run.id} was started with other content, requestId {claim.request_id}"
        return Attempt(number=number, run=claim.run, doubt=doubt)
    return Attempt(number=number, run=claim.run, request=None if asked == content else asked)


def _not_ours(fits: Sequence[Run]) -> Judgement:
    if not fits:
        return Judgement(match=Match.MISSING)
    return _ambiguous(
        fits, "it is what the row asks for, but has no tags; give --no-tags if the batch was run with it"
    )


def _by_content(entry: Entry, fits: Sequence[Run], *, is_only_row: bool) -> Judgement:
    if len(fits) > 1:
        return _ambiguous(
            fits, "each is what the row asks for; delete those that are not wanted, or ask for another name"
        )
    if not is_only_row:
        return _ambiguous(fits, "other rows ask for exactly the same; give each its own name or outputUri")
    return Judgement(match=Match.FOUND, attempts=(Attempt(number=entry.attempt, run=fits[0], tagged=False),))


def _like_named(strangers: Sequence[Run], *, is_only_row: bool) -> Judgement:
    if not strangers:
        return Judgement(match=Match.MISSING)
    if len(strangers) > 1 or not is_only_row:
        return _ambiguous(
            strangers, "named like the row, but asked for something else; delete those that are not wanted"
        )
    attempt = Attempt(number=1, run=strangers[0], tagged=False)
    doubt = f"run {attempt.run.id} was started with other content"
    return Judgement(match=Match.CHANGED, attempts=(replace(attempt, doubt=doubt),))


def _ambiguous(runs: Sequence[Run], why: str) -> Judgement:
    return Judgement(match=Match.AMBIGUOUS, rivals=tuple(run.id for run in runs), why=why)


def _asked_by(wanted: Mapping[str, Json]) -> str:
    return _asked(
        *(wanted.get(name) for name in ("name", "workflowId", "outputUri")), asked_parameters(wanted)
    )


def _asked(*parts: object) -> str:
    """Return what tells what a run was asked to be; what is empty is the same as what is not there."""
    return digest(json.dumps([_plain(part or None) for part in parts], sort_keys=True))


def _plain(value: object) -> object:
    """Return *value* with whole numbers written in one way: on the wire, 1.0 may come back as 1."""
    match value:
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list():
            return [_plain(part) for part in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
