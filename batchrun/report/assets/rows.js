// What the page knows: the packed columns as rows, and how values are written.
// Belongs here: reading and wording. Does not: drawing.

let packed = JSON.parse(document.getElementById("data").textContent);
const STANDINGS = packed.standings;
const TROUBLE = new Set(["failed", "refused", "cancelled", "deleted"]);

const LOGS = packed.logStreams;
const named = (form, run, task) => form.replaceAll("{run}", () => run).replaceAll("{task}", () => task);

// The failed tasks of each run that has some, by the run's place.
function taskLists({ tasks, runId }) {
  const lists = new Map();
  tasks.run.forEach((run, place) => {
    const word = (column) => column.words[column.at[place]];
    const stream = word(tasks.stream);
    const task = { id: tasks.id[place], name: word(tasks.name), reason: word(tasks.reason), message: word(tasks.message) };
    task.stream = stream === null ? null : named(stream, runId[run], task.id);
    lists.set(run, [...(lists.get(run) ?? []), task]);
  });
  return lists;
}
const prepared = (columns) =>
  Object.assign(columns, { lists: taskLists(columns), silent: new Set(columns.withoutLogs), more: new Set(columns.tasks.andMore) });

function unpacked(columns, place) {
  const { uri } = columns;
  const word = (column) => column.words[column.at[place]];
  return {
    standing: STANDINGS[columns.standing[place]],
    status: word(columns.status),
    attempt: columns.attempt[place],
    runId: columns.runId[place],
    uuid: columns.uuid[place],
    uri: uri.rest[place] === null ? null : uri.start + uri.rest[place],
    created: columns.created[place],
    started: columns.started[place],
    stopped: columns.stopped[place],
    reason: word(columns.reason),
    message: word(columns.message),
    streams: columns.silent.has(place) ? [] : LOGS.map((form) => named(form, columns.runId[place])),
    tasks: columns.lists.get(place) ?? [],
    hasMoreTasks: columns.more.has(place),
    lane: columns.lane ? word(columns.lane) : null,
    region: (columns.region ? word(columns.region) : null) ?? packed.region,
    cost: columns.cost?.[place] ?? null,
    unpriced: columns.unpriced ? word(columns.unpriced) : null,
    earlier: [],
  };
}

const isGoing = (run) => run.standing === "running" || run.standing === "queued";
const ends = (run) => run.stopped ?? (isGoing(run) ? packed.at : null);

function timed(run) {
  const end = ends(run);
  const start = run.started ?? end;
  run.queued = run.created === null || start === null ? null : start - run.created;
  run.ran = run.started === null || end === null ? null : end - run.started;
  return run;
}

// The rows of what was packed, which stays what times and regions are told by.
function rowsOf(given) {
  packed = given;
  const [runs, earlier] = [prepared(given.runs), prepared(given.earlier)];
  const found = given.ids.map((id, place) => Object.assign(timed(unpacked(runs, place)), { id, place }));
  given.earlier.row.forEach((row, place) => found[row].earlier.push(timed(unpacked(earlier, place))));
  return found;
}

// Controls, direction overrides and the like would show something else than what is there.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu;
const writtenOut = (one) => (one === "\n" ? one : `\\u${one.codePointAt(0).toString(16).padStart(4, "0")}`);
const shown = (value) => (value === null || value === undefined ? "–" : String(value).replace(UNSEEN, writtenOut));

const count = (number) => number.toLocaleString("en-US");

function span(seconds) {
  if (seconds === null) return "–";
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${count(Math.floor(hours / 24))} d ${hours % 24} h`;
}

const iso = (seconds) => new Date((packed.base + seconds) * 1000).toISOString();
const utc = (seconds) => (seconds === null ? "–" : iso(seconds).slice(0, 19).replace("T", " "));

const minute = (seconds) => utc(seconds).slice(0, 16);

// Marks for an axis from *first* to *last*, at round times; the date where the day is another.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
function ticks(first, last, most) {
  const step = STEPS.find((one) => (last - first) / one <= most) ?? Math.ceil((last - first) / most / 604800) * 604800;
  const found = [];
  let day = "";
  for (let at = Math.ceil((packed.base + first) / step) * step; at <= packed.base + last; at += step) {
    const text = iso(at - packed.base);
    const date = text.slice(5, 10);
    const time = text.slice(11, step < 60 ? 19 : 16);
    found.push({ at: at - packed.base, text: date === day ? time : step >= 86400 ? date : `${date} ${time}` });
    day = date;
  }
  return found;
}

function made(tag, facts = {}, ...children) {
  const { text, ...properties } = facts;
  const element = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

const mark = (standing) => {
  const element = made("span", { className: `mark ${standing}` });
  element.setAttribute("aria-hidden", "true");
  return element;
};
