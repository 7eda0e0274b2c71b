"""
A row's offers: what it asks for in each lane that it may take, all of them checked.

Belongs here: which lanes a row may take, and in which of them something is wrong. Does not: one
request (``rows``), how ``lane`` is written (``naming``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.defaults import Defaults, combined, laid_over
from batchrun.manifest.lanes.naming import without_lanes
from batchrun.manifest.lanes.table import LaneTable, led_to
from batchrun.manifest.problems import Part, Place, Problems, Record, printable
from batchrun.manifest.rows import Checked, Expander, Row, Terms
from batchrun.manifest.warned.looking import FIELD as ROLE
from batchrun.manifest.warned.looking import Looking
from batchrun.model.entries.retrying import LANE
from batchrun.model.lanes import Offer, offers_text
from batchrun.model.spec import merged

#: Characters of the lanes' names that a message lists.
_LISTED: Final = 120


class Offering:
    """Expands the rows of a batch that has lanes."""

    def __init__(self, expander: Expander, table: LaneTable, rules: Sequence[Part], looking: Looking) -> None:
        """
        Begin; what each lane of *table* gives to its rows is checked, once.

        *rules* are of retries, which may lead to some of them; *looking* looks at the rows' roles.
        """
        self._expander = expander
        self._terms = _terms_by_lane(table, expander)
        self._led_to = led_to(rules, table.names)
        self._roles = looking.roles(table.lanes)
        self.taken: set[str] = set()  #: lanes that some row may go to, or be led to by a retry rule

    @property
    def by_uri(self) -> Record | None:
        """The first row that has its parameters in a file."""
        return self._expander.by_uri

    def expand(self, record: Record) -> Checked | None:
        """Return the checked row; None where it has problems in any lane, which are taken down."""
        begun = self._expander.begun(record)
        names = self._chosen(begun)
        closed = [name for name in self._led_to if name not in names]
        found = _InLanes(record, [*names, *closed], closed, self._expander.problems)
        asked = {name: self._asked(name, begun, found) for name in (*names, *closed)}
        found.tell(begun.id)
        sound = {name: checked for name, checked in asked.items() if checked is not None}
        if begun.failed or len(sound) < len(asked):
            return None
        self.taken.update(sound)
        for name, checked in sound.items():
            self._roles.look(name, self._role(name, record, checked), record, checked.id)
        offers = offers_text(
            [
                Offer(lane=name, request=checked.request.decode(), is_open=name in names)
                for name, checked in sound.items()
            ]
        ).encode(
            errors="replace"
        )  # half of a surrogate pair in a lane's name was reported, and reading continues
        if len(offers) > limits.OFFERS:
            message = f"what it asks for in {len(sound)} lanes has {len(offers)} bytes"
            begun.report((LANE,), message, f"name fewer lanes: at most {limits.OFFERS} bytes can be kept")
            return None
        return sound[names[0]]._replace(offers=offers)

    def _chosen(self, row: Row) -> Sequence[str]:
        """Return the lanes that the row may take, the preferred one first; by default the first of all."""
        first = [next(iter(self._terms))]
        fields = merged({**self._expander.terms.defaults.fields}, row.record.fields)
        if LANE not in fields:
            return first
        row.values = self._expander.values(row, fields, None)
        names = self._expander.model.fields[LANE].check(fields[LANE], (LANE,), row)
        return [str(name) for name in names] if isinstance(names, list) and names else first

    def _asked(self, name: str, begun: Row, found: _InLanes) -> Checked | None:
        found.lane = name
        row = Row(begun.record, begun.id, found)
        return self._expander.checked(row, self._terms[name])

    def _role(self, name: str, record: Record, checked: Checked) -> str:
        shared = self._terms[name].defaults.final.get(ROLE)
        if shared is not None and ROLE not in record.fields:
            return str(shared.value)
        return str(json.loads(checked.request).get(ROLE))


def _terms_by_lane(table: LaneTable, expander: Expander) -> Mapping[str, Terms]:
    """Lay what each lane gives to its rows over what is said for all."""
    model = without_lanes(expander.model)
    own = {
        name: combined([record], model, expander.environment, expander.problems, has_lanes=True)
        for name, record in table.sets.items()
    }
    shared, nothing = expander.terms.defaults, Defaults(fields={}, broken=frozenset())
    return {
        name: Terms.of(laid_over(shared, own.get(name, nothing), expander.model), model, name)
        for name in table.names
    }


class _InLanes:
    """What is wrong with a row, by lane: what is wrong in all of them is reported once, and without them."""

    def __init__(
        self, record: Record, lanes: Sequence[str], closed: Sequence[str], problems: Problems
    ) -> None:
        self.lane = ""  #: the one under work
        self.total = problems.total
        self._record = record
        self._lanes = lanes
        self._closed = frozenset(closed)
        self._problems = problems
        self._found: dict[tuple[Place, str, str, str | None], list[str]] = {}

    def add(
        self,
        place: Place,
        message: str,
        cure: str,
        *,
        row: str | None = None,  # noqa: ARG002 (as Problems has it; the row is the same in all lanes)
        field: str | None = None,
    ) -> None:
        """Take down what is wrong in the lane under work."""
        lanes = self._found.setdefault((place, message, cure, field), [])
        if self.lane not in lanes:
            lanes.append(self.lane)
            self.total += 1

    def tell(self, row: str | None) -> None:
        """Hand everything on."""
        for (place, message, cure, field), lanes in self._found.items():
            said = message if self._is_everywhere(lanes, field) else f"{self._where(lanes)}: {message}"
            self._problems.add(place, said, cure, row=row, field=field)

    def _is_everywhere(self, lanes: Sequence[str], field: str | None) -> bool:
        """Report whether the lanes have nothing to do with it, as far as is known."""
        is_own = re.split(r"[.\[]", field or "", maxsplit=1)[0] in self._record.fields
        return len(lanes) == len(self._lanes) and (is_own or len(lanes) > 1)

    def _where(self, lanes: Sequence[str]) -> str:
        named = printable(", ".join(lanes), _LISTED)
        led = ", where retry: may lead it" if self._closed.issuperset(lanes) else ""
        return f"in lane{'' if len(lanes) == 1 else 's'} {named}{led}"
