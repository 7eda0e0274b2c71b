"""A row's offers: its checked request in each lane that it may take.

Belongs here: which lanes a row may take, and in which of them it has problems. Does not: one request
(``rows``), how ``lane`` is written (``naming``).
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
from batchrun.manifest.parts import Part, Record
from batchrun.manifest.problems import Place, Problems, printable
from batchrun.manifest.rows import Checked, Expander, Row, Terms
from batchrun.manifest.warned.looking import Looking
from batchrun.manifest.warned.roles import FIELD as ROLE
from batchrun.model.entries.retrying import LANE
from batchrun.model.lanes import Offer, offers_text
from batchrun.model.spec import merged

#: Most characters of lane names in a message.
_LISTED: Final = 120


class Offering:
    """Expands the rows of a batch that has lanes."""

    def __init__(self, expander: Expander, table: LaneTable, rules: Sequence[Part], looking: Looking) -> None:
        """Check what each lane of *table* gives to its rows, once.

        *rules* are retry rules, which may lead to other lanes; *looking* checks the rows' roles.
        """
        self._expander = expander
        self._terms = _terms_by_lane(table, expander)
        self._led_to = led_to(rules, table.names)
        self._roles = looking.roles(table.lanes)
        self.taken: set[str] = set()  #: lanes that some row may be sent to, now or by a retry rule

    @property
    def by_uri(self) -> Record | None:
        """The first row that has its parameters in a file."""
        return self._expander.by_uri

    def expand(self, record: Record) -> Checked | None:
        """Return the checked row; None if it has problems in any lane, which are recorded."""
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
        ).encode(errors="replace")  # a lone surrogate in a lane's name was reported, and reading continues
        if len(offers) > limits.OFFERS:
            message = f"what it asks for in {len(sound)} lanes has {len(offers)} bytes"
            begun.report((LANE,), message, f"name fewer lanes: at most {limits.OFFERS} bytes can be kept")
            return None
        return sound[names[0]]._replace(offers=offers)

    def _chosen(self, row: Row) -> Sequence[str]:
        """Return the lanes that the row may take, preferred ones first; by default the table's first lane."""
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
    """Merge what each lane gives to its rows over the defaults of all rows."""
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
    """A row's problems by lane; one that it has in all of them is reported once, without a lane."""

    def __init__(
        self, record: Record, lanes: Sequence[str], closed: Sequence[str], problems: Problems
    ) -> None:
        self.lane = ""  #: the one that is being checked
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
        """Record a problem in the lane that is being checked."""
        lanes = self._found.setdefault((place, message, cure, field), [])
        if self.lane not in lanes:
            lanes.append(self.lane)
            self.total += 1

    def tell(self, row: str | None) -> None:
        """Report all problems."""
        for (place, message, cure, field), lanes in self._found.items():
            said = message if self._is_everywhere(lanes, field) else f"{self._where(lanes)}: {message}"
            self._problems.add(place, said, cure, row=row, field=field)

    def _is_everywhere(self, lanes: Sequence[str], field: str | None) -> bool:
        """Report whether a problem has nothing to do with lanes, as far as is known."""
        is_own = re.split(r"[.\[]", field or "", maxsplit=1)[0] in self._record.fields
        return len(lanes) == len(self._lanes) and (is_own or len(lanes) > 1)

    def _where(self, lanes: Sequence[str]) -> str:
        named = printable(", ".join(lanes), _LISTED)
        led = ", where retry: may lead it" if self._closed.issuperset(lanes) else ""
        return f"in lane{'' if len(lanes) == 1 else 's'} {named}{led}"
