// Runs over time: four areas, one on the other.

const PARTS = [["queued", "queued"], ["running", "running"], ["otherwise", "failed"], ["succeeded", "succeeded"]];
const PAPER_WIDTH = 680;
// By so much of its width the chart goes on after the last end: else nobody would see where the last step leads.
const BEYOND = 0.03;

function drawTimeline() {
  const place = document.getElementById("timeline");
  let moments = packed.timeline;
  if (!place || !moments.at.length) return null;
  const withEnded = document.getElementById("with-ended");
  let plot = null;
  let last = moments.at.length - 1;

  const hasEnded = () => moments.queued[last] + moments.running[last] === 0;
  const beyond = (values, next) => (hasEnded() ? [...values, next] : values);

  const told = (index) => {
    const words = ["queued", "running", "ended without success", "succeeded"];
    const numbers = PARTS.map(([name], part) => `${count(moments[name][index])} ${words[part]}`);
    document.getElementById("moment").textContent = `${utc(moments.at[index])} UTC: ${numbers.join(", ")}`;
  };

  // The lowest area is drawn last, over the sums of it and all above.
  const stacked = (parts) => {
    let below = moments.at.map(() => 0);
    const sums = parts.map(([name]) => name).reverse().map((name) => (below = below.map((sum, at) => sum + moments[name][at])));
    const end = moments.at[last] + (moments.at[last] - moments.at[0]) * BEYOND;
    return [beyond(moments.at, end), ...sums.reverse().map((values) => beyond(values, values[last]))];
  };

  function draw() {
    if (plot) plot.destroy();
    const parts = withEnded.checked ? PARTS : PARTS.slice(0, 2);
    const isPaper = document.documentElement.classList.contains("printing");
    const line = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
    plot = new uPlot({
      width: isPaper ? PAPER_WIDTH : Math.max(240, place.clientWidth),
      height: isPaper ? 240 : innerWidth < 740 ? 250 : 320,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.04)] } },
      axes: [
        {
          ...line,
          size: 34,
          space: 90,
          splits: (self, _, first, last) => ticks(first, last, Math.max(2, self.width / 110)).map((tick) => tick.at),
          values: (self, splits) => {
            const all = ticks(self.scales.x.min, self.scales.x.max, Math.max(2, self.width / 110));
            return splits.map((at) => all.find((tick) => tick.at === at)?.text ?? "");
          },
        },
        {
          ...line,
          size: (_, texts) => Math.max(60, 22 + 8 * Math.max(...(texts ?? [""]).map((text) => text.length))),
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5],
          values: (_, splits) => splits.map(count),
        },
      ],
      series: [{}, ...parts.map(([, name]) => ({ fill: colour(name), stroke: colour("page"), width: 1, points: { show: false } }))],
      hooks: { setCursor: [(self) => self.cursor.idx !== null && self.cursor.idx !== undefined && told(Math.min(self.cursor.idx, last))] },
    }, stacked(parts), place);
  }

  place.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -1e6, End: 1e6 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const index = Math.min(last, Math.max(0, (plot.cursor.idx ?? 0) + by));
    plot.setCursor({ left: plot.valToPos(moments.at[index], "x"), top: 1 });
  });
  withEnded.addEventListener("change", draw);
  drawn(draw);
  told(last);
  return function update(given) {
    const shownLast = plot.cursor.idx === null || plot.cursor.idx === undefined;
    moments = given;
    last = moments.at.length - 1;
    draw();
    if (shownLast) told(last);
  };
}
