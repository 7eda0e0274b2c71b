// A window of bars over some of all runs, and an overview of all where they are many.

const WINDOW = 40;
const OVERVIEW_HEIGHT = 220;
const MARGIN = { left: 0, right: 18, bottom: 20 };

function drawGantt(rows, table, matches) {
  const place = document.getElementById("gantt");
  const dated = rows.filter((row) => row.created !== null).sort((a, b) => a.created - b.created || a.place - b.place);
  if (!dated.length) {
    place.append(made("p", { text: "The ledger knows no run's times yet." }));
    return;
  }
  let chosen = dated;
  let first = 0;

  const list = made("ol", { className: "bars" });
  const says = made("span", { className: "muted" });
  says.setAttribute("aria-live", "polite");
  const follow = made("input", { type: "checkbox", id: "follow" });
  const back = made("button", { type: "button", text: "Earlier" });
  const on = made("button", { type: "button", text: "Later" });
  const slider = made("input", { type: "range", className: "slider", min: 0, value: 0 });
  slider.setAttribute("aria-label", "First of the runs that are shown, in order of creation");
  const canvas = made("canvas", { className: "overview" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "All runs in order of creation, each line several runs; the list that follows shows them one by one");
  const legend = made("p", { className: "muted" });
  const overview = made("div", {}, canvas, slider, legend);
  const chooses = made("label", {}, follow, " only runs that the table below shows");
  place.append(overview, made("div", { className: "controls" }, back, on, says, chooses), list);

  const show = (from) => {
    first = Math.max(0, Math.min(from, chosen.length - 1));
    const part = chosen.slice(first, first + WINDOW);
    says.textContent = part.length ? `${count(first + 1)} to ${count(first + part.length)} of ${count(chosen.length)}, by creation` : "no run";
    back.disabled = first === 0;
    on.disabled = first + WINDOW >= chosen.length;
    slider.value = first;
    list.replaceChildren(...listed(part));
    if (!overview.hidden) drawOverview(canvas, chosen, first);
  };
  const choose = () => {
    chosen = follow.checked ? dated.filter((row) => matches(row)) : dated;
    overview.hidden = chosen.length <= WINDOW;
    slider.max = Math.max(0, chosen.length - WINDOW);
    const each = Math.ceil(chosen.length / (OVERVIEW_HEIGHT - MARGIN.bottom));
    legend.textContent =
      each > 1
        ? `Each line is ${each} runs: from the first creation to half of them started, to half of them ended; paler to the last end. Red at the right: the share without success.`
        : "Each line is a run.";
    show(0);
  };
  back.addEventListener("click", () => show(first - WINDOW));
  on.addEventListener("click", () => show(first + WINDOW));
  slider.addEventListener("input", () => show(Number(slider.value)));
  canvas.addEventListener("click", (event) => {
    const share = event.offsetY / (OVERVIEW_HEIGHT - MARGIN.bottom);
    show(Math.round(share * chosen.length) - WINDOW / 2);
  });
  follow.addEventListener("change", choose);
  table.onChange(() => follow.checked && choose());
  choose();
  drawn(() => overview.hidden || drawOverview(canvas, chosen, first));
}

const middle = (values) => (values.length ? values.sort((a, b) => a - b)[values.length >> 1] : null);

function drawOverview(canvas, chosen, first) {
  const width = Math.max(200, canvas.clientWidth);
  const ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = OVERVIEW_HEIGHT * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const right = width - MARGIN.right;
  const bottom = OVERVIEW_HEIGHT - MARGIN.bottom;
  const start = chosen[0].created;
  const end = chosen.reduce((most, run) => Math.max(most, ends(run) ?? run.created), start + 1);
  const x = (seconds) => (right * (seconds - start)) / (end - start);
  drawAxis(pen, ticks(start, end, width / 110), x, bottom, end);
  const lines = Math.min(bottom, chosen.length);
  const colours = { queued: colour("queued"), running: colour("running"), failed: colour("failed") };
  for (let line = 0; line < lines; line += 1) {
    const from = Math.floor((line * chosen.length) / lines);
    const part = chosen.slice(from, Math.floor(((line + 1) * chosen.length) / lines));
    drawLine(pen, part, { x, y: (line * bottom) / lines, height: bottom / lines, right, colours });
  }
  pen.strokeStyle = colour("text");
  pen.lineWidth = 1.5;
  const high = Math.max(4, (WINDOW / chosen.length) * bottom);
  pen.strokeRect(0.75, Math.min((first / chosen.length) * bottom, bottom - high) + 0.75, right + 2, high - 1.5);
}

function drawAxis(pen, marks, x, bottom, end) {
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = colour("muted");
  pen.strokeStyle = colour("line");
  for (const tick of marks) {
    pen.beginPath();
    pen.moveTo(x(tick.at), 0);
    pen.lineTo(x(tick.at), bottom + 6);
    pen.stroke();
    if (x(tick.at) + pen.measureText(tick.text).width < x(end)) pen.fillText(tick.text, x(tick.at) + 3, bottom + 15);
  }
}

function drawLine(pen, part, { x, y, height, right, colours }) {
  const begun = part[0].created;
  const started = middle(part.map((run) => run.started ?? ends(run)).filter((time) => time !== null));
  const ran = part.filter((run) => run.started !== null && ends(run) !== null);
  const stopped = middle(ran.map(ends));
  const last = ran.reduce((most, run) => Math.max(most, ends(run)), -Infinity);
  const bar = (from, to, name, alpha) => {
    pen.globalAlpha = alpha;
    pen.fillStyle = colours[name];
    pen.fillRect(x(from), y, Math.max(1, x(to) - x(from)), height + 0.3);
  };
  if (started !== null) bar(begun, started, "queued", 1);
  if (stopped !== null && stopped > started) bar(started, stopped, part.length === 1 ? runColour(part[0]) : "running", 1);
  if (last > stopped) bar(Math.max(started, stopped), last, "running", 0.35);
  const failed = part.filter((run) => TROUBLE.has(run.standing)).length / part.length;
  pen.globalAlpha = 1;
  pen.fillStyle = colours.failed;
  if (failed) pen.fillRect(right + 4, y, Math.max(3, failed * (MARGIN.right - 4)), height + 0.3);
}
