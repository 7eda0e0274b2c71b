// All rows, which the page has: searched, filtered and ordered here.

const ORDERS = { status: (row) => `${row.status} ${row.reason ?? ""}` };

function allAtHand(rows) {
  let haystacks = null;

  // Made at the first search, since most who open a report never search.
  const haystack = (row) => {
    haystacks ??= rows.map((one) =>
      [one, ...one.earlier].flatMap((run) => [run.id, run.status, run.standing, run.lane, run.reason, run.uuid, run.runId, run.uri, run.message, ...run.tasks.flatMap((task) => [task.name, task.reason])]).join("\n").toLowerCase());
    return haystacks[row.place];
  };
  let wanted = NOTHING;
  let words = [];
  const matches = (row) =>
    (!wanted.standing || row.standing === wanted.standing) &&
    (wanted.lane === null || row.lane === wanted.lane) &&
    (wanted.reason === null || row.reason === wanted.reason) &&
    words.every((word) => haystack(row).includes(word));
  let found = rows;
  const different = (name) => [...new Set(rows.map((row) => row[name]))].filter((one) => one !== null);

  return {
    matches,
    offers: () => ({ standings: STANDINGS.filter((one) => rows.some((row) => row.standing === one)), lanes: different("lane"), reasons: different("reason") }),
    find(asked, from, most, show) {
      if (asked !== wanted) {
        wanted = asked;
        words = wanted.search.toLowerCase().split(/\s+/).filter(Boolean);
        found = rows.filter(matches);
        if (wanted.sort) found.sort(ordered(ORDERS[wanted.sort] ?? ((row) => row[wanted.sort]), wanted.isDown));
      }
      show({ part: found.slice(from, from + most), found: found.length, total: rows.length });
    },
  };
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
