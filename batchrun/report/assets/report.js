// Puts the page together: the shares, the table, the drawings, and the links that choose rows of the table.

const rows = rowsOf(packed);
drawShares(STANDINGS.map((standing) => [standing, rows.reduce((sum, row) => sum + (row.standing === standing), 0)]));
const all = allAtHand(rows);
const table = drawTable(all);
drawTimeline();
drawGantt(rows, table, all.matches);
followChoices(table);
