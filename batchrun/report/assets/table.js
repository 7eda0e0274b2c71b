// All runs: search, filters, order, pages, and each one's whole story on request.

const PAGE = 100;
const PAPER_PAGE = 500;
const COLUMNS = [
  { name: "Id", by: (row) => row.id },
  { name: "Status", by: (row) => `${row.status} ${row.reason ?? ""}` },
  ...(packed.runs.lane ? [{ name: "Lane", by: (row) => row.lane, classes: "wide" }] : []),
  { name: "Attempt", by: (row) => row.attempt, classes: "wide amount" },
  { name: "Queued", by: (row) => row.queued, classes: "wide amount" },
  { name: "Ran", by: (row) => row.ran, classes: "amount" },
  { name: "Created", by: (row) => row.created, classes: "wide time" },
  { name: "Ended", by: (row) => row.stopped, classes: "wide time" },
  ...(packed.currency === null ? [] : [{ name: `Cost, ${shown(packed.currency)}`, by: (row) => row.cost, classes: "wide amount" }]),
  { name: "Run's uuid and output", classes: "wide code" },
];

function drawTable() {
  const wanted = { words: [], standing: "", reason: null, column: null, isDown: false };
  const listeners = [];
  let found = rows;
  let from = 0;
  let haystacks = null;

  const search = made("input", { type: "search", id: "search", placeholder: "id, uuid, run, output, reason, message, task", autocomplete: "off", spellcheck: false });
  search.setAttribute("aria-label", "Search the runs; every word must be found");
  const standing = chooser("Where it stands", [["", "all"], ...STANDINGS.filter((one) => rows.some((row) => row.standing === one)).map((one) => [one, one])]);
  const reasons = [...new Set(rows.map((row) => row.reason))].filter((one) => one !== null);
  const reason = chooser("Reason", [["", "any reason"], ...reasons.map((one, place) => [String(place), shown(one)])]);
  reason.hidden = !reasons.length;
  const clear = made("button", { type: "button", text: "Clear" });
  const says = made("p", { id: "found", className: "muted" });
  says.setAttribute("role", "status");
  const heads = made("tr", {}, ...COLUMNS.map(headOf));
  const body = made("tbody");
  const caption = made("caption", { className: "skip", text: "All runs of the batch" });
  const table = made("table", {}, caption, made("thead", {}, heads), body);
  const scroll = made("div", { className: "scroll" }, table);
  const back = made("button", { type: "button", text: "Earlier rows" });
  const on = made("button", { type: "button", text: "Further rows" });
  const pages = made("span", { className: "muted" });
  document.getElementById("table").append(
    made("div", { className: "controls" }, search, standing, reason, clear), says, scroll,
    made("div", { className: "pager" }, back, on, pages),
  );

  // Made at the first search, since most who open a report never search.
  const haystack = (row) => {
    haystacks ??= rows.map((one) =>
      [one, ...one.earlier].flatMap((run) => [run.id, run.status, run.standing, run.lane, run.reason, run.uuid, run.runId, run.uri, run.message, ...run.tasks.flatMap((task) => [task.name, task.reason])]).join("\n").toLowerCase());
    return haystacks[row.place];
  };
  const matches = (row) =>
    (!wanted.standing || row.standing === wanted.standing) &&
    (wanted.reason === null || row.reason === wanted.reason) &&
    wanted.words.every((word) => haystack(row).includes(word));

  function show(start, most = PAGE) {
    from = Math.max(0, start);
    const part = found.slice(from, from + most);
    body.replaceChildren(...part.map(rowOf));
    says.textContent = found.length === rows.length ? `${count(rows.length)} rows` : `${count(found.length)} of ${count(rows.length)} rows`;
    pages.textContent = part.length ? `${count(from + 1)} to ${count(from + part.length)} of ${count(found.length)}` : "";
    back.disabled = from === 0;
    on.disabled = from + most >= found.length;
  }
  function find() {
    found = rows.filter(matches);
    if (wanted.column) found.sort(ordered(wanted.column.by, wanted.isDown));
    show(0);
    listeners.forEach((listener) => listener());
  }
  function headOf(column) {
    const cell = made("th", { scope: "col", className: column.classes ?? "" });
    if (!column.by) {
      cell.textContent = column.name;
      return cell;
    }
    const button = made("button", { type: "button", text: column.name });
    button.addEventListener("click", () => {
      wanted.isDown = wanted.column === column && !wanted.isDown;
      wanted.column = column;
      for (const other of heads.children) other.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", wanted.isDown ? "descending" : "ascending");
      find();
    });
    cell.append(button);
    return cell;
  }
  function choose(value, why) {
    search.value = "";
    standing.value = wanted.standing = value;
    wanted.words = [];
    wanted.reason = why;
    reason.value = why === null ? "" : String(reasons.indexOf(why));
    find();
  }

  search.addEventListener("input", () => {
    wanted.words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    find();
  });
  standing.addEventListener("change", () => {
    wanted.standing = standing.value;
    find();
  });
  reason.addEventListener("change", () => {
    wanted.reason = reason.value === "" ? null : reasons[Number(reason.value)];
    find();
  });
  clear.addEventListener("click", () => choose("", null));
  back.addEventListener("click", () => show(from - PAGE));
  on.addEventListener("click", () => show(from + PAGE));
  addEventListener("beforeprint", () => show(from, PAPER_PAGE));
  addEventListener("afterprint", () => show(from));
  show(0);
  return { choose, matches, onChange: (listener) => listeners.push(listener) };
}

function chooser(name, options) {
  const select = made("select", {}, ...options.map(([value, text]) => made("option", { value, text })));
  select.setAttribute("aria-label", name);
  return select;
}

// What is not known goes last, either way; what is equal stays in manifest order.
function ordered(by, isDown) {
  const sign = isDown ? -1 : 1;
  return (one, other) => {
    const a = by(one);
    const b = by(other);
    if (a === b) return one.place - other.place;
    if (a === null) return 1;
    if (b === null) return -1;
    return a < b ? -sign : sign;
  };
}

function statusOf(row) {
  const cell = made("td", { className: "status" }, mark(row.standing), ` ${shown(row.status)}`);
  const tasks = [...new Set(row.tasks.map((task) => task.reason))].filter((reason) => reason !== null && reason !== row.reason);
  for (const reason of [row.reason, ...tasks]) {
    if (reason !== null) cell.append(made("div", { className: "why", text: shown(reason) }));
  }
  return cell;
}

function rowOf(row) {
  const button = made("button", { type: "button", className: "open" }, made("bdi", { text: shown(row.id) }));
  button.setAttribute("aria-expanded", "false");
  const texts = [...(packed.runs.lane ? [shown(row.lane)] : []), row.attempt, span(row.queued), span(row.ran), minute(row.created), minute(row.stopped)];
  if (packed.currency !== null) texts.push(money(row.cost));
  const cells = [
    made("th", { scope: "row" }, button),
    statusOf(row),
    ...texts.map((text, place) => made("td", { className: COLUMNS[place + 2].classes, text })),
    made("td", { className: "wide code" }, made("div", {}, linked(row.uuid, runLink(row))), made("div", {}, linked(row.uri, outputLink(row)))),
  ];
  const line = made("tr", {}, ...cells);
  button.addEventListener("click", () => {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) line.nextSibling.remove();
    else line.after(wholeOf(row));
  });
  return line;
}

function wholeOf(row) {
  const cell = made("td", { colSpan: COLUMNS.length }, ...[row, ...row.earlier.slice().reverse()].map(storyOf));
  return made("tr", { className: "whole" }, cell);
}

function storyOf(run) {
  const facts = [
    ["Attempt", `${run.attempt}: ${run.status}`], ["uuid", run.uuid], ["Run", run.runId, runLink(run)], ["Output", run.uri, outputLink(run)],
    ...(run.lane === null ? [] : [["Lane", `${run.lane}, ${run.region}`]]),
    ["Created", utc(run.created)], ["Started", `${utc(run.started)} (queued ${span(run.queued)})`],
    ["Ended", `${utc(run.stopped)} (ran ${span(run.ran)})`], ["Reason", run.reason], ["Message", run.message],
    ...(run.cost === null && !run.unpriced ? [] : [["Cost", costOf(run)]]),
  ];
  const told = facts.filter(([, value]) => value !== null);
  const story = made("dl", {}, ...told.flatMap(([name, value, href]) => [made("dt", { text: name }), made("dd", {}, linked(value, href ?? null))]));
  for (const task of run.tasks) story.append(made("dt", { text: "Failed task" }), taskOf(task, run.region));
  if (run.hasMoreTasks) story.append(made("dt", { text: "Failed tasks" }), made("dd", { text: "and more" }));
  if (run.streams.length) {
    const streams = run.streams.flatMap((stream, place) => [place ? ", " : "", linked(stream, logLink(stream, run.region))]);
    story.append(made("dt", { text: "Logs" }), made("dd", {}, ...streams, made("span", { className: "muted", text: ` in ${packed.logGroup}` })));
  }
  return story;
}

const money = (amount) => (amount === null ? "–" : amount.toLocaleString("en-US", amount >= 1 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : { maximumFractionDigits: 4 }));

function costOf(run) {
  const amount = run.cost === null ? "not known" : `${money(run.cost)} ${packed.currency}, estimated`;
  return run.unpriced ? `${amount}, without: ${run.unpriced}` : amount;
}

function taskOf(task, region) {
  const why = [task.reason, task.message].filter((part) => part !== null).join(": ");
  const told = made("dd", {}, `${shown(task.name ?? "without a name")} (id ${shown(task.id)}) ${shown(why)}`.trimEnd());
  if (task.stream !== null) told.append("; log ", linked(task.stream, logLink(task.stream, region)));
  return told;
}
