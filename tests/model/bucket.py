"""A token bucket at the service, and callers that keep to a pace, in made-up time."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from batchrun.model.paces.handing_on import Learned
from batchrun.model.paces.pace import Pace
from batchrun.model.paces.rates import AUTO, Rate

_IN_AIR = 32
#: Seconds after which somebody else who was refused asks again.
_PERSISTENCE = 0.2
#: Calls that boto3 makes in its standard mode before it gives up.
_SDK_TRIES = 3


@dataclass(slots=True)
class Bucket:
    rate: float
    burst: int
    tokens: float = math.nan
    seen: float = 0.0

    def take(self, now: float) -> bool:
        if math.isnan(self.tokens):
            self.tokens = self.burst
        self.tokens = min(self.burst, self.tokens + (now - self.seen) * self.rate)
        self.seen = now
        if self.tokens < 1 - 1e-6:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True, kw_only=True)
class Script:
    """What people write: one call after the other, with the SDK's standard retries, and then again."""

    chance: random.Random
    tries: int = 0

    def again(self, *, passes: bool) -> float:
        """Give in how many seconds it calls again."""
        self.tries = 0 if passes else self.tries + 1
        if passes:
            return 0.05 + 0.05 * self.chance.random()
        if self.tries < _SDK_TRIES:
            return 0.03 + self.chance.random() * float(2 ** (self.tries - 1))
        self.tries = 0
        return 0.5 + self.chance.random()


@dataclass(slots=True, kw_only=True)
class World:
    """The bucket, and all but the caller who have to do with it."""

    bucket: Bucket
    scripts: list[Script]
    scripted_until: float

    def struck(self, what: str, about: float, now: float) -> float:
        """Let the bucket change, or somebody else take of it; give when that one asks again, 0 for not."""
        if what == "script":
            is_over = now >= self.scripted_until
            return 0.0 if is_over else self.scripts[int(about)].again(passes=self.bucket.take(now))
        has_token = self.bucket.take(now)
        if what == "change":
            self.bucket.rate = about
            return 0.0
        return 0.0 if has_token else _PERSISTENCE


@dataclass(slots=True)
class Story:
    """What became of a batch of calls."""

    pace: Pace
    passed_at: list[float] = field(default_factory=list)
    refused_at: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.passed_at[-1]

    @property
    def refused(self) -> float:
        return len(self.refused_at) / (len(self.refused_at) + len(self.passed_at))

    def rate(self, since: float, until: float) -> float:
        return sum(1 for at in self.passed_at if since <= at < until) / (until - since)


class Caller:
    """Sends at the pace, as ``service.calling.pacing.Turns`` does."""

    def __init__(self, pace: Pace, calls: int) -> None:
        self.pace = pace
        self.left = calls
        self.in_air = 0
        self.last = -math.inf

    def next(self, now: float) -> float | None:
        if not self.left or self.in_air >= _IN_AIR:
            return None
        interval = 1 / self.pace.rate
        if math.isinf(self.last):
            self.last = now - interval
        if self.in_air >= self.pace.window:
            interval = max(interval, 1 / self.pace.known_rate)
        return max(self.last + interval, now - self.pace.lateness)

    def send(self, turn: float) -> None:
        self.last = turn
        self.left -= 1
        self.in_air += 1


def played(
    rate: float,
    burst: int,
    *,
    calls: int = 400,
    filled: int | None = None,
    asked: Rate = AUTO,
    answer: float = 0.005,
    jitter: float = 0.002,
    changes: Sequence[tuple[float, float]] = (),
    noise: float = 0.0,
    others: Sequence[float] = (),
    scripts: int = 0,
    scripted_until: float = math.inf,
    pace: Pace | None = None,
    learned: Learned | None = None,
    quota: float | None = None,
    supposed: float = 5.0,
    seconds: float = math.inf,
    seed: int = 1,
) -> Story:
    """
    Play *calls* calls against a bucket of *rate* and *burst*.

    Args:
        rate: Tokens per second.
        burst: Tokens of a full bucket.
        calls: How many have to pass.
        filled: Tokens in the bucket at the beginning; a full one has *burst*.
        asked: The rate that was asked for.
        answer: Seconds from sending to the answer.
        jitter: Seconds that may come on top, each way.
        changes: When the bucket's rate becomes another.
        noise: The chance of a refusal for no reason.
        others: When somebody else wants a token, and asks until there is one.
        scripts: How many people run a script of their own, from the first second on.
        scripted_until: Until when.
        pace: Goes on with this one.
        learned: What an earlier launch knew.
        quota: What the service told.
        supposed: What is supposed.
        seconds: After which it ends all the same.
        seed: Of the jitter and the noise.
    """
    chance = random.Random(seed)
    bucket = Bucket(rate, burst, tokens=math.nan if filled is None else filled)
    people = [Script(chance=chance) for _ in range(scripts)]
    world = World(bucket=bucket, scripts=people, scripted_until=scripted_until)
    pace = pace or Pace(asked, supposed=supposed, quota=quota, learned=learned)
    caller, story = Caller(pace, calls), Story(pace)
    events: list[tuple[float, int, str, float]] = []
    number = 0

    def later(at: float, what: str, about: float) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (at, number, what, about))

    for at, what, about in [
        *((at, "change", new) for at, new in changes),
        *((at, "other", 0.0) for at in others),
        *((chance.random(), "script", float(one)) for one in range(scripts)),
    ]:
        later(at, what, about)
    now = 0.0
    while len(story.passed_at) < calls and now < seconds:
        turn = caller.next(now)
        if turn is not None and (not events or max(turn, now) < events[0][0]):
            now = max(turn, now)
            caller.send(turn)
            later(now + answer / 2 + chance.random() * jitter, "arrives", now)
            continue
        now, _, what, about = heapq.heappop(events)
        match what:
            case "change" | "other" | "script":
                again = world.struck(what, about, now)
                if again:
                    later(now + again, what, about)
            case "arrives":
                passes = chance.random() >= noise and bucket.take(now)
                (story.passed_at if passes else story.refused_at).append(now)
                back = now + answer / 2 + chance.random() * jitter
                later(back, "passed" if passes else "refused", about)
            case "passed":
                caller.in_air -= 1
                pace.passed(about)
            case _:
                caller.in_air -= 1
                caller.left += 1
                resumes = pace.refused(about, now)
                caller.last = max(caller.last, now) if caller.in_air else resumes
    return story
