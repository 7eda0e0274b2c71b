// Puts the page together: the shares, the table, the drawings, and the links that choose rows of the table.

function drawShares() {
  const place = document.getElementById("shares");
  for (const standing of STANDINGS) {
    const number = rows.reduce((sum, row) => sum + (row.standing === standing), 0);
    if (!number) continue;
    const share = made("span", { className: standing });
    share.style.flex = `${number} 0 0`;
    place.append(share);
  }
}

drawShares();
const table = drawTable();
drawTimeline();
drawGantt(table);
for (const link of document.querySelectorAll("a[data-standing]")) {
  link.addEventListener("click", () => table.choose(link.dataset.standing, JSON.parse(link.dataset.reason ?? "null")));
}
