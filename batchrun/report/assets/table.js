// The table of runs: search, filters, order and pages, of rows that are at hand or asked for.

const PAGE = 100;
const PAPER_PAGE = 500;
const NOTHING = { search: "", standing: "", lane: null, reason: null, sort: "", isDown: false };

/* *source* has offers(), what can be chosen, and find(wanted, from, most, show), which calls show({part, found, total}). */
function drawTable(source, wanted = NOTHING) {
  const listeners = [];
  let from = 0;
  let most = PAGE;
  let lines = new Map();

  const search = made("input", { type: "search", id: "search", placeholder: "id, uuid, run, output, reason, message, task", autocomplete: "off", spellcheck: false });
  search.setAttribute("aria-label", "Search the runs; every word must be found");
  const standing = chooser("Where it stands", "all");
  const lane = chooser("Lane", "any lane");
  const reason = chooser("Reason", "any reason");
  const clear = made("button", { type: "button", text: "Clear" });
  const says = made("p", { id: "found", className: "muted" });
  says.setAttribute("role", "status");
  const heads = made("tr", {}, ...COLUMNS.map(headOf));
  const body = made("tbody");
  const caption = made("caption", { className: "skip", text: "All runs of the batch" });
  const scroll = made("div", { className: "scroll" }, made("table", {}, caption, made("thead", {}, heads), body));
  const back = made("button", { type: "button", text: "Earlier rows" });
  const on = made("button", { type: "button", text: "Further rows" });
  const pages = made("span", { className: "muted" });
  document.getElementById("table").append(
    made("div", { className: "controls" }, search, standing.element, lane.element, reason.element, clear), says, scroll,
    made("div", { className: "pager" }, back, on, pages),
  );

  // Lines that say the same stay as they are: what is open stays open, and where the focus is.
  function put(part) {
    const before = lines;
    lines = new Map(part.map((row) => {
      const text = JSON.stringify(row);
      const known = before.get(row.id);
      return [row.id, known?.text === text ? known : Object.assign(lineOf(row, known?.isOpen ?? false), { text })];
    }));
    const focused = [...before].find(([, line]) => line.button === document.activeElement)?.[0];
    arrange(body, [...lines.values()].flatMap((line) => line.parts));
    lines.get(focused)?.button.focus({ preventScroll: true });
  }
  function show({ part, found, total }) {
    put(part);
    says.textContent = found === total ? `${count(total)} rows` : `${count(found)} of ${count(total)} rows`;
    pages.textContent = part.length ? `${count(from + 1)} to ${count(from + part.length)} of ${count(found)}` : "";
    back.disabled = from === 0;
    on.disabled = from + most >= found;
    listeners.forEach((listener) => listener(part));
  }
  const ask = () => source.find(wanted, from, most, show);
  function want(change, start = 0) {
    wanted = { ...wanted, ...change };
    from = start;
    ask();
  }
  function turn(start) {
    from = Math.max(0, start);
    ask();
  }
  function headOf(column) {
    const cell = made("th", { scope: "col", className: column.classes ?? "" });
    if (!column.key) {
      cell.textContent = column.name;
      return cell;
    }
    const button = made("button", { type: "button", text: column.name });
    button.addEventListener("click", () => {
      want({ sort: column.key, isDown: wanted.sort === column.key && !wanted.isDown });
      sorted();
    });
    cell.append(button);
    return cell;
  }
  function sorted() {
    COLUMNS.forEach((column, place) => {
      if (column.key && column.key === wanted.sort) heads.children[place].setAttribute("aria-sort", wanted.isDown ? "descending" : "ascending");
      else heads.children[place].removeAttribute("aria-sort");
    });
  }
  function offer() {
    const { standings, lanes, reasons } = source.offers();
    standing.offer(standings, wanted.standing || null);
    lane.offer(lanes, wanted.lane);
    reason.offer(reasons, wanted.reason);
    search.value = wanted.search;
  }
  function choose(value, why) {
    wanted = { ...wanted, search: "", standing: value, lane: null, reason: why };
    offer();
    turn(0);
  }

  search.addEventListener("input", () => want({ search: search.value }));
  standing.onChoice((value) => want({ standing: value ?? "" }));
  lane.onChoice((value) => want({ lane: value }));
  reason.onChoice((value) => want({ reason: value }));
  clear.addEventListener("click", () => choose("", null));
  back.addEventListener("click", () => turn(from - PAGE));
  on.addEventListener("click", () => turn(from + PAGE));
  const paper = (rows) => {
    most = rows;
    ask();
  };
  addEventListener("beforeprint", () => paper(PAPER_PAGE));
  addEventListener("afterprint", () => paper(PAGE));
  offer();
  sorted();
  ask();
  return { choose, offer, again: ask, onChange: (listener) => listeners.push(listener) };
}

// A list to choose from: one of some texts, or null for all of them. What was chosen stays to be seen.
function chooser(name, all) {
  const element = made("select");
  element.setAttribute("aria-label", name);
  let values = null;
  return {
    element,
    offer(texts, chosen) {
      const offered = chosen === null || texts.includes(chosen) ? texts : [chosen, ...texts];
      if (JSON.stringify(offered) !== JSON.stringify(values)) {
        values = offered;
        element.replaceChildren(made("option", { value: "", text: all }), ...values.map((one, place) => made("option", { value: String(place), text: shown(one) })));
      }
      element.value = chosen === null ? "" : String(values.indexOf(chosen));
      element.hidden = !values.length;
    },
    onChoice: (listener) => element.addEventListener("change", () => listener(element.value === "" ? null : values[Number(element.value)])),
  };
}

// Have *place* hold these elements in this order, and move only what has to be.
function arrange(place, elements) {
  let at = place.firstChild;
  for (const element of elements) {
    if (element === at) at = at.nextSibling;
    else place.insertBefore(element, at);
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function drawShares(numbers) {
  arrange(document.getElementById("shares"), numbers.filter(([, number]) => number).map(([standing, number]) => {
    const share = made("span", { className: standing });
    share.style.flex = `${number} 0 0`;
    return share;
  }));
}

// Links anywhere on the page that choose rows of the table.
function followChoices(table) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-standing]");
    if (link) table.choose(link.dataset.standing, JSON.parse(link.dataset.reason ?? "null"));
  });
}
