// Bars from creation to start to end, a run each, under one axis.

const runColour = (run) => (TROUBLE.has(run.standing) ? "failed" : "running");

function listed(part) {
  if (!part.length) return [];
  const attempts = part.flatMap((row) => [row, ...row.earlier]).filter((run) => run.created !== null);
  const start = attempts.reduce((least, run) => Math.min(least, run.created), Infinity);
  const end = attempts.reduce((most, run) => Math.max(most, ends(run) ?? run.started ?? run.created), start + 1);
  const at = (seconds) => `${(100 * (seconds - start)) / (end - start)}%`;
  const marks = made("div", { className: "track" });
  for (const tick of ticks(start, end, innerWidth < 740 ? 4 : 7)) {
    const element = made("span", { className: "tick", text: tick.text });
    element.style.left = at(tick.at);
    marks.append(element);
  }
  const axis = made("li", { className: "ticks" }, made("span", { className: "name", text: "UTC" }), marks);
  axis.setAttribute("aria-hidden", "true");
  return [axis, ...part.map((row) => barOf(row, at))];
}

function barOf(row, at) {
  const track = made("div", { className: "track" });
  track.setAttribute("aria-hidden", "true");
  const bar = (from, to, names) => {
    if (from === null || to === null || to < from) return;
    const element = made("span", { className: `bar ${names}` });
    element.style.left = at(from);
    element.style.width = `calc(${at(to)} - ${at(from)})`;
    track.append(element);
  };
  for (const run of [...row.earlier, row]) {
    const size = run === row ? "" : " earlier";
    bar(run.created, run.started ?? ends(run) ?? run.created, `queued${size}`);
    bar(run.started, ends(run), runColour(run) + size);
  }
  const name = made("bdi", { className: "name", text: shown(row.id), title: shown(row.id) });
  const tries = row.earlier.length ? `, attempt ${row.attempt}` : "";
  const times = row.started === null ? `queued ${span(row.queued)}` : `queued ${span(row.queued)}, ran ${span(row.ran)}`;
  const took = made("span", { className: "took" }, mark(row.standing), ` ${times}${tries}`);
  const word = made("span", { className: "skip", text: ` ${row.standing}` });
  took.append(word);
  return made("li", {}, name, track, took);
}
