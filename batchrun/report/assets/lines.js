// How a row looks in the table: its line, and its whole story on request.

const COLUMNS = [
  { name: "Id", key: "id" },
  { name: "Status", key: "status" },
  ...(packed.hasLanes ? [{ name: "Lane", key: "lane", classes: "wide" }] : []),
  { name: "Attempt", key: "attempt", classes: "wide amount" },
  { name: "Queued", key: "queued", classes: "wide amount" },
  { name: "Ran", key: "ran", classes: "amount" },
  { name: "Created", key: "created", classes: "wide time" },
  { name: "Ended", key: "stopped", classes: "wide time" },
  ...(packed.currency === null ? [] : [{ name: `Cost, ${shown(packed.currency)}`, key: "cost", classes: "wide amount" }]),
  { name: "Run's uuid and output", classes: "wide code" },
];

// What a page adds to a row's story.
let moreOf = () => [];

function statusOf(row) {
  const cell = made("td", { className: "status" }, mark(row.standing), ` ${shown(row.status)}`);
  const tasks = [...new Set(row.tasks.map((task) => task.reason))].filter((reason) => reason !== null && reason !== row.reason);
  for (const reason of [row.reason, ...tasks]) {
    if (reason !== null) cell.append(made("div", { className: "why", text: shown(reason) }));
  }
  return cell;
}

// A row's line, and its whole story under it while that is open.
function lineOf(row, isOpen) {
  const button = made("button", { type: "button", className: "open" }, made("bdi", { text: shown(row.id) }));
  const texts = [...(packed.hasLanes ? [shown(row.lane)] : []), row.attempt, span(row.queued), span(row.ran), minute(row.created), minute(row.stopped)];
  if (packed.currency !== null) texts.push(money(row.cost));
  const cells = [
    made("th", { scope: "row" }, button),
    statusOf(row),
    ...texts.map((text, place) => made("td", { className: COLUMNS[place + 2].classes, text })),
    made("td", { className: "wide code" }, made("div", {}, linked(row.uuid, runLink(row))), made("div", {}, linked(row.uri, outputLink(row)))),
  ];
  const line = { button, parts: [made("tr", {}, ...cells)], isOpen: false };
  const turn = () => {
    line.isOpen = !line.isOpen;
    if (line.isOpen) line.parts.push(wholeOf(row));
    else line.parts.pop().remove();
    button.setAttribute("aria-expanded", String(line.isOpen));
  };
  button.setAttribute("aria-expanded", "false");
  if (isOpen) turn();
  button.addEventListener("click", () => {
    turn();
    line.parts[0].after(...line.parts.slice(1));
  });
  return line;
}

function wholeOf(row) {
  const cell = made("td", { colSpan: COLUMNS.length }, ...[row, ...row.earlier.slice().reverse()].map(storyOf), ...moreOf(row));
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
