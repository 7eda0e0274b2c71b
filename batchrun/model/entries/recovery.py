"""Recovery: which runs belong to which rows, after a loss, with an old copy, or beside another ledger.

A run with our tags names its row and attempt; its requestId tells what it was started with: the row's
content, or what a retry made of the attempt before (a rule's change, a copy by runId), which is recomputed
and compared. A run without tags is the row's if it was asked for exactly what the row asks for (name,
workflow, output place, parameters), it is the only such run, and the row the only such row. Anything else is
reported, never guessed: a row that is started twice by mistake costs money, and a look by a person costs a
minute.

Does not belong here: looking (``engine``).
"""

from __future__ import annotations

import enum
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias

from batchrun.model.entries import events
from batchrun.model.entries.entry import Entry, Run, Sighting
from batchrun.model.entries.requests import PossibleRequest, Requests, in_lanes
from batchrun.model.entries.states import ENDED, State
from batchrun.model.lanes import or_home
from batchrun.model.spec import TAG_ATTEMPT, TAG_BATCH, TAG_ID, TAG_REQUEST_ID, Json, asked_parameters, digest

#: Our own codes, in recovered histories.
LOST: Final = "LostWithTheLedger"
OTHER_CONTENT: Final = "OtherContent"

#: More attempts than any row has; a tag that says so was not written by us.
_MOST_ATTEMPTS: Final = 1000


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
    request: str | None = None  #: the content that a retry made of the attempt before; None is the row's
    lane: str | None = None  #: where the run is; None in a batch without lanes
    sent: str | None = None  #: the request of that lane, likewise


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
    lane: str | None


#: A run, and the lane that it was seen in.
_Found: TypeAlias = "tuple[str | None, Run]"


@dataclass(slots=True)
class Evidence:
    """What was seen at the service, by row; of each sighting only what is needed is kept."""

    batch: str
    changes: Sequence[str] = ()  #: of the retry rules, from one attempt to the next
    #: Whether a run without tags that has a row's name, but was asked for something else, counts as what the
    #: row asked for earlier.
    counts_namesakes: bool = False
    home: str | None = None  #: the lane of runs that were started before the batch had lanes
    _ids: set[str] = field(default_factory=set)
    _rows_named: Counter[str] = field(default_factory=Counter)
    _rows_asking: Counter[str] = field(default_factory=Counter)
    _claims: dict[str, list[_Claim]] = field(default_factory=dict)
    _untagged: dict[str, list[_Found]] = field(default_factory=dict)  #: by what was asked for
    _strangers: dict[str, list[_Found]] = field(default_factory=dict)  #: by name
    gone: int = 0  #: runs of the batch whose rows are not in the manifest
    #: Runs found that belong to other batches, by batch.
    elsewhere: Counter[str] = field(default_factory=Counter)

    def expect(self, entry_id: str, content: str) -> None:
        """Add a row to look for, with its content; all rows before the first run."""
        self._ids.add(entry_id)
        wanted = [json.loads(request) for _, request in in_lanes(content)]
        self._rows_named.update({str(one.get("name")) for one in wanted})
        self._rows_asking.update({_asked_by(one) for one in wanted})

    def add(self, sighting: Sighting, lane: str | None = None) -> None:
        """Add a run, and the lane that it was seen in."""
        tags = sighting.tags
        if TAG_BATCH not in tags:
            self._add_untagged(sighting, lane)
        elif tags[TAG_BATCH] != self.batch:
            self.elsewhere[tags[TAG_BATCH]] += 1
        elif tags.get(TAG_ID) not in self._ids:
            self.gone += 1
        else:
            attempt = _attempt(tags.get(TAG_ATTEMPT, ""))
            claim = _Claim(run=sighting.run, attempt=attempt, request_id=tags.get(TAG_REQUEST_ID), lane=lane)
            self._claims.setdefault(tags[TAG_ID], []).append(claim)

    def _add_untagged(self, sighting: Sighting, lane: str | None) -> None:
        asked = _asked(sighting.name, sighting.workflow_id, sighting.output_uri, sighting.parameters)
        if asked in self._rows_asking:
            self._untagged.setdefault(asked, []).append((lane, sighting.run))
        elif self.counts_namesakes and sighting.name is not None and sighting.name in self._rows_named:
            self._strangers.setdefault(sighting.name, []).append((lane, sighting.run))

    def judge(self, entry: Entry, *, tagged: bool) -> Judgement:
        """Return what was found for a row, once everything is added: attempts that its ledger does not know.

        Runs of earlier attempts, and of the current one if it was sent, are known and do not count. *tagged*:
        whether the batch's runs have our tags.
        """
        claims = [claim for claim in self._claims.get(entry.id, ()) if _is_unknown(claim, entry)]
        if claims:
            return _by_tags(entry, claims, self.changes, self.home)
        if entry.state in ENDED:
            return Judgement(match=Match.MISSING)
        wanted = [(lane, json.loads(request)) for lane, request in in_lanes(entry.asked)]
        asked = {lane: _asked_by(one) for lane, one in wanted}
        fits = [fit for lane, key in asked.items() for fit in self._untagged.get(key, ()) if fit[0] == lane]
        if tagged:
            return _not_ours([run for _, run in fits])
        if fits:
            is_only_row = all(self._rows_asking[key] == 1 for key in asked.values())
            return _by_content(entry, fits, is_only_row=is_only_row)
        named = {(lane, str(one.get("name"))) for lane, one in wanted}
        strangers = [one for lane, name in named for one in self._strangers.get(name, ()) if one[0] == lane]
        return _like_named(strangers, is_only_row=all(self._rows_named[name] == 1 for _, name in named))


def later_attempts(entry: Entry, sightings: Iterable[Sighting]) -> list[Sighting]:
    """Return the runs that are tagged as later attempts of the row: its ledger is an old copy."""
    own = {TAG_BATCH: entry.batch, TAG_ID: entry.id}
    return [
        one
        for one in sightings
        if own.items() <= one.tags.items() and (_attempt(one.tags.get(TAG_ATTEMPT, "")) or 0) > entry.attempt
    ]


def story(entry: Entry, attempts: Sequence[Attempt], at: datetime, *, again: bool) -> Iterator[events.Event]:
    """Return the events that bring *entry*, whose attempt has no run or has ended, up to the runs found.

    An attempt without a run that was followed by others counts as lost.

    Args:
        entry: With the row's content, which is assumed of attempts without a known content.
        attempts: What was found, oldest first; at least one, none known to the entry.
        at: Now.
        again: Whether a new attempt with the row's content is to follow.
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
            if number > entry.attempt or entry.state is not State.SUBMITTING:
                yield events.Intended(at=following.run.creation_time or at)
            yield events.Refused(
                at=at,
                code=LOST,
                message="no run of this attempt was found at the service, but of a later one",
            )
    if again:
        yield _next(entry, None, at)


def _next(entry: Entry, attempt: Attempt | None, at: datetime) -> events.Event:
    """Return the event that begins *attempt*, or (None) an attempt with the row's content."""
    if attempt is None or attempt.request is None:
        return events.Revised(at=at, request=entry.content)
    return events.Retried(at=at, due=at, why="found at the service", request=attempt.request)


def _found(attempt: Attempt, at: datetime, *, is_last: bool) -> Iterator[events.Event]:
    yield events.Intended(
        at=attempt.run.creation_time or at, tagged=attempt.tagged, lane=attempt.lane, request=attempt.sent
    )
    if attempt.doubt is not None:
        yield events.Doubted(at=at, code=OTHER_CONTENT, message=attempt.doubt)
    yield events.Accepted(at=at, run=attempt.run, was_found=True)
    event = events.seen(attempt.run, at)
    # An attempt that was followed by another is over, even if its run is gone.
    yield (
        events.Removed(at=at, message=event.message)
        if isinstance(event, events.Missed) and not is_last
        else event
    )


def _attempt(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(_MOST_ATTEMPTS))
    return int(text) if is_number and 1 <= int(text) <= _MOST_ATTEMPTS else None


def _is_unknown(claim: _Claim, entry: Entry) -> bool:
    """Report whether the run is of an attempt that was not sent from this ledger."""
    if claim.attempt is None:
        return True
    return claim.attempt > entry.attempt or (claim.attempt == entry.attempt and entry.state not in ENDED)


def _by_tags(entry: Entry, claims: Sequence[_Claim], changes: Sequence[str], home: str | None) -> Judgement:
    by_attempt: defaultdict[int, list[_Claim]] = defaultdict(list)
    place = or_home(entry.lane, home)
    for claim in claims:
        if claim.attempt is None:
            return _ambiguous(
                [claim.run], f"its tag {TAG_ATTEMPT} is not an attempt's number; correct or remove it"
            )
        by_attempt[claim.attempt].append(claim)
    attempts: list[Attempt] = []
    requests = Requests(entry, changes, home)
    elsewhere = [claim.run for claim in claims if claim.attempt == entry.attempt and claim.lane != place]
    if entry.intended_at is not None and elsewhere:
        return _ambiguous(elsewhere, f"this ledger tried lane {place}, and another one a lane beside it")
    for number, rivals in sorted(by_attempt.items()):
        ids = requests.by_id(number)
        own = [claim for claim in rivals if _asked_as(claim, ids) is not None] or rivals
        if len(own) > 1:
            return _ambiguous(
                [claim.run for claim in own],
                f"each is tagged as attempt {number} of this row; remove the tags from those that are copies",
            )
        asked = _asked_as(own[0], ids)
        attempts.append(_tagged(own[0], number, asked, entry.content))
        requests.found(asked, own[0].run, own[0].lane)
    match = Match.FOUND if attempts[-1].doubt is None else Match.CHANGED
    return Judgement(match=match, attempts=tuple(attempts))


def _asked_as(claim: _Claim, ids: Mapping[str, PossibleRequest]) -> PossibleRequest | None:
    asked = ids.get(claim.request_id or "")
    return asked if asked is not None and asked.place == claim.lane else None


def _tagged(claim: _Claim, number: int, asked: PossibleRequest | None, content: str) -> Attempt:
    if asked is None:
        doubt = f"run {claim.run.id} was started with other content, requestId {claim.request_id}"
        return Attempt(number=number, run=claim.run, doubt=doubt, lane=claim.lane)
    return Attempt(
        number=number,
        run=claim.run,
        request=None if asked.content == content else asked.content,
        lane=asked.lane,
        sent=None if asked.place is None else asked.request,
    )


def _not_ours(fits: Sequence[Run]) -> Judgement:
    if not fits:
        return Judgement(match=Match.MISSING)
    return _ambiguous(
        fits, "it is what the row asks for, but has no tags; give --no-tags if the batch was run with it"
    )


def _by_content(entry: Entry, fits: Sequence[_Found], *, is_only_row: bool) -> Judgement:
    runs = [run for _, run in fits]
    if len(fits) > 1:
        return _ambiguous(
            runs, "each is what the row asks for; delete those that are not wanted, or ask for another name"
        )
    if not is_only_row:
        return _ambiguous(runs, "other rows ask for exactly the same; give each its own name or outputUri")
    ((lane, run),) = fits
    sent = None if lane is None else entry.as_in(lane).request
    attempt = Attempt(number=entry.attempt, run=run, tagged=False, lane=lane, sent=sent)
    return Judgement(match=Match.FOUND, attempts=(attempt,))


def _like_named(strangers: Sequence[_Found], *, is_only_row: bool) -> Judgement:
    if not strangers:
        return Judgement(match=Match.MISSING)
    if len(strangers) > 1 or not is_only_row:
        return _ambiguous(
            [run for _, run in strangers],
            "named like the row, but asked for something else; delete those that are not wanted",
        )
    ((lane, run),) = strangers
    attempt = Attempt(number=1, run=run, tagged=False, lane=lane)
    doubt = f"run {attempt.run.id} was started with other content"
    return Judgement(match=Match.CHANGED, attempts=(replace(attempt, doubt=doubt),))


def _ambiguous(runs: Sequence[Run], why: str) -> Judgement:
    return Judgement(match=Match.AMBIGUOUS, rivals=tuple(run.id for run in runs), why=why)


def _asked_by(wanted: Mapping[str, Json]) -> str:
    return _asked(
        *(wanted.get(name) for name in ("name", "workflowId", "outputUri")), asked_parameters(wanted)
    )


def _asked(*parts: object) -> str:
    """Return a key of what was asked for; empty and missing values are the same."""
    return digest(json.dumps([_plain(part or None) for part in parts], sort_keys=True))


def _plain(value: object) -> object:
    """Return *value* with integral floats as integers: the service may return 1 for 1.0."""
    match value:
        case dict():
            return {name: _plain(part) for name, part in value.items()}
        case list():
            return [_plain(part) for part in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
