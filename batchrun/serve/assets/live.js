// The live pages: what the server tells is put in place, and rows are asked for as they are looked at.
// Belongs here: the connection, and putting parts where they go. Does not: how a row or a chart looks.

const page = document.body.dataset;
// Seconds between two updates that a screen reader is told, and between two questions for rows.
const SAID_EVERY = 20;
const ROWS_EVERY = 3;
// Milliseconds without a key after which a search is sent.
const TYPING = 200;

const address = (path, facts) => `${path}?${new URLSearchParams(facts)}`;

/* Parts of the page, as the server has rendered and escaped them. */

function putParts(parts) {
  for (const [name, html] of Object.entries(parts ?? {})) {
    const place = document.querySelector(`[data-part="${name}"]`);
    if (!place || place.told === html) continue;
    place.told = html;
    const keys = [...place.querySelectorAll("details, a, [tabindex]")];
    const open = new Set(keys.filter((one) => one.open).map(keyOf));
    const focused = place.contains(document.activeElement) ? keyOf(document.activeElement) : null;
    place.replaceChildren(...new DOMParser().parseFromString(wrapped(place.localName, html), "text/html").querySelector("[data-put]").childNodes);
    for (const one of place.querySelectorAll("details, a, [tabindex]")) {
      if (one.localName === "details" && open.size) one.open = one.open || open.has(keyOf(one));
      if (focused !== null && keyOf(one) === focused) one.focus({ preventScroll: true });
    }
    const section = place.closest("[data-if]");
    if (section) section.hidden = html === "";
    drawMeters(place);
  }
}
// Rows of a table are parsed as such only within one.
const wrapped = (tag, html) => (tag === "tbody" ? `<table><tbody data-put>${html}</tbody></table>` : `<${tag} data-put>${html}</${tag}>`);
const keyOf = (element) => {
  const owner = element.closest("article, li, section") ?? element;
  return [element.localName, element.dataset.key, element.dataset.standing, element.dataset.reason, element.getAttribute("href"), owner.querySelector("h3, bdi")?.textContent].join("\n");
};

// Small bars beside each batch, of how many rows stand where.
function drawMeters(place) {
  for (const meter of place.querySelectorAll("[data-shares]")) {
    meter.replaceChildren(...meter.dataset.shares.split(",").filter(Boolean).map((one) => {
      const [standing, number] = one.split(" ");
      const share = made("span", { className: standing });
      share.style.flex = `${number} 0 0`;
      return share;
    }));
  }
}

// Has *refresh* called soon after it is asked for, but not more often than every so many seconds. Clients that
// hear of the same change spread their questions a little.
function paced(refresh, seconds, spread = 300) {
  let last = -Infinity;
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      last = performance.now();
      refresh();
    }, Math.max(0, last + seconds * 1000 - performance.now()) + Math.random() * spread);
  };
}

/* The connection: none while the page is hidden, since a browser has only six for all of its tabs. */

function listen(names, listeners) {
  const place = document.getElementById("connection");
  const dot = place.querySelector(".dot");
  let source = null;
  const tell = (state, word) => {
    place.className = `connection ${state}`;
    const spot = place.querySelector(".word");
    if (spot.textContent !== word) spot.textContent = word;
  };
  const beat = () => {
    dot.classList.remove("beat");
    requestAnimationFrame(() => dot.classList.add("beat"));
  };
  function connect() {
    source = new EventSource(address("/events", names));
    source.addEventListener("open", () => tell("live", "live"));
    source.addEventListener("error", () => {
      const isOver = source.readyState === EventSource.CLOSED;
      tell("lost", isOver ? "ended: open the link that batchrun serve printed" : "connection lost, trying again");
      if (isOver && !document.hidden) retry();
    });
    for (const [kind, listener] of Object.entries({ trouble: putTrouble, ...listeners })) {
      source.addEventListener(kind, (event) => {
        listener(JSON.parse(event.data));
        beat();
      });
    }
  }
  // A server that is started again at the same place has another token; one that was full may have room.
  const retry = () => setTimeout(() => !document.hidden && source?.readyState === EventSource.CLOSED && connect(), 5000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      tell("", "asleep");
    } else connect();
  });
  addEventListener("pagehide", () => source?.close());
  if (!document.hidden) connect();
}

function putTrouble({ text }) {
  const place = document.getElementById("trouble");
  place.hidden = text === null;
  place.textContent = text === null ? "" : `The ledger cannot be read just now: ${shown(text)}`;
}

// Counts for a screen reader: the latest of them, not too often.
function sayer() {
  const place = document.getElementById("said");
  let latest = null;
  const say = paced(() => (place.textContent = latest), SAID_EVERY);
  return (text) => {
    if (latest !== null && text !== latest) say();
    latest = text;
  };
}

/* Rows that the server finds: it is asked once at a time, and the last question is the one that counts. */

function askedFor(name, first) {
  let offered = first;
  let shownVersion = first.version;
  let latest = first.version;
  let isUnderWay = false;
  let next = null;
  let last = null;
  let timer = null;

  async function ask(question) {
    if (isUnderWay) {
      next = question;
      return;
    }
    isUnderWay = true;
    try {
      const answer = await fetch(question.address);
      if (answer.ok && next === null) {
        const facts = await answer.json();
        shownVersion = facts.version;
        question.show({ part: rowsOf(facts), found: facts.found, total: facts.total });
      }
    } catch {
      // The connection is gone, as the page says already; the next event asks again.
    }
    isUnderWay = false;
    if (next !== null) {
      const waiting = next;
      next = null;
      ask(waiting);
    }
  }

  return {
    offers: () => ({ standings: offered.offered, lanes: offered.lanes, reasons: offered.reasons }),
    find(wanted, from, most, show) {
      if (last === null) {
        last = wanted;
        show({ part: rowsOf(first), found: first.found, total: first.total });
        return;
      }
      const facts = factsOf(wanted);
      const question = { address: address("/rows", { name, ...facts, first: from, most }), show };
      history.replaceState(null, "", address("/batch", { name, ...facts }));
      const isTyped = last.search !== wanted.search;
      last = wanted;
      clearTimeout(timer);
      timer = setTimeout(() => ask(question), isTyped ? TYPING : 0);
    },
    offer(facts) {
      offered = facts;
    },
    isBehind: (version) => {
      latest = version ?? latest;
      return latest !== shownVersion;
    },
  };
}

const factsOf = ({ search, standing, lane, reason, sort, isDown }) =>
  Object.fromEntries(Object.entries({ search, standing, lane, reason, sort, down: isDown ? "1" : "" }).filter(([, value]) => value !== "" && value !== null));

function wantedOf(query) {
  const facts = Object.fromEntries(["search", "standing", "sort"].map((name) => [name, query.get(name) ?? ""]));
  return { ...NOTHING, ...facts, lane: query.get("lane"), reason: query.get("reason"), isDown: query.get("down") === "1" };
}

/* The three pages. */

function openShelf() {
  drawMeters(document);
  listen({}, { batches: ({ parts }) => putParts(parts) });
}

function openBatch() {
  const name = page.batch;
  moreOf = (row) => [made("p", {}, made("a", { href: address("/row", { name, id: row.id }), text: "The whole story of this row" }))];
  const say = sayer();
  const source = askedFor(name, packed);
  const table = drawTable(source, wantedOf(new URLSearchParams(location.search)));
  followChoices(table);
  const each = document.getElementById("each");
  let part = [];
  const drawBars = () => each.open && document.getElementById("bars").replaceChildren(...listed(part.filter((row) => row.created !== null)));
  table.onChange((rows) => {
    part = rows;
    drawBars();
  });
  each.addEventListener("toggle", drawBars);
  let update = drawTimeline();
  const refresh = paced(() => source.isBehind() && !document.hidden && table.again(), ROWS_EVERY);
  listen({ name }, {
    now({ version, parts, shares, title, said }) {
      putParts(parts);
      drawShares(shares);
      document.title = title;
      say(said);
      if (source.isBehind(version)) refresh();
    },
    sums(facts) {
      putParts(facts.parts);
      source.offer(facts);
      table.offer();
      packed.timeline = facts.timeline;
      if (update) update(facts.timeline);
      else update = drawTimeline();
    },
  });
}

function openRow() {
  const names = { name: page.batch, id: page.row };
  const draw = (facts) => {
    const [row] = rowsOf(facts);
    document.getElementById("stories").replaceChildren(...[row, ...row.earlier.slice().reverse()].map(storyOf));
    document.getElementById("bars").replaceChildren(...listed(row.created === null ? [] : [row]));
    putParts(facts.parts);
  };
  draw(packed);
  let latest = null;
  let shownVersion = null; // unknown at first: the page may be from before the version that is told first
  const refresh = paced(async () => {
    const version = latest;
    const answer = await fetch(address("/row.json", names)).catch(() => null);
    if (answer?.ok) {
      draw(await answer.json());
      shownVersion = version;
    } else if (answer?.status === 503) refresh(); // no event says that the ledger can be read again
  }, ROWS_EVERY);
  listen({ name: names.name }, {
    now({ version }) {
      latest = version;
      if (version !== shownVersion) refresh();
    },
  });
}

({ shelf: openShelf, batch: openBatch, row: openRow })[page.page]();
