// The colours in force, and drawing again when they change: by scheme, for paper, or with the window.

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const drawings = [];

// Draw now, and whenever what is drawn on a canvas would look otherwise.
function drawn(draw) {
  drawings.push(draw);
  draw();
}
const redraw = () => drawings.forEach((draw) => draw());

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => {
  document.documentElement.classList.add("printing");
  redraw();
});
addEventListener("afterprint", () => {
  document.documentElement.classList.remove("printing");
  redraw();
});
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) {
    width = innerWidth;
    requestAnimationFrame(redraw);
  }
});
