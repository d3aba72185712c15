/* Claims of papers with what was measured: verdict, both intervals, reason, and the records behind it. */

function startClaims() {
  if (!byId("claims")) return;
  const heads = ["Claim", "Claimed", "Measured", "", "Verdict", "Reason and conditions"];
  byId("claim-table").append(make("thead", {}, make("tr", {}, heads.map((head) => make("th", { scope: "col" }, head)))),
    make("tbody", {}, page.claims.map(claimLine)));
}

function claimLine(claim) {
  return make("tr", { class: "claim", data: { verdict: claim.verdict } },
    make("th", { scope: "row" }, make("span", { class: "label" }, claim.name), make("span", { class: "weights" }, claim.sentence), make("span", { class: "weights" }, claim.source)),
    make("td", {}, claim.claimed), make("td", {}, claim.measured), make("td", {}, claimSpan(claim)),
    make("td", {}, make("span", { class: `badge ${claim.verdict}` }, claim.verdict)),
    make("td", { class: "reason" }, make("p", {}, claim.reason), claim.conditions.length ? make("ul", {}, claim.conditions.map((each) => make("li", {}, each))) : null,
      claim.records.length ? make("p", { class: "weights" }, "records ", claim.records.map((id, i) => [i ? ", " : "", recordLink(id)])) : null));
}

/* A record that stands on this page opens; any other is named. */
function recordLink(id) {
  const place = page.rows.findIndex((row) => row.id === id);
  const key = place < 0 ? null : Object.keys(page.rows[place].cells)[0];
  return key ? make("button", { type: "button", class: "link", onclick: () => showProvenance(place, key) }, id) : make("code", {}, id);
}

/* Claimed above, measured below, on one scale. */
function claimSpan(claim) {
  const ends = [...claim.claimedSpan, ...claim.measuredSpan].filter((value) => value !== null);
  if (ends.length < 2) return null;
  const log = Math.min(...ends) > 0 && Math.max(...ends) / Math.min(...ends) > 10;
  const [low, high] = padded(ends, log);
  const x = scale(low, high, 6, 154, log);
  const bar = ([from, to], y, name) => (from === null && to === null ? null
    : draw("line", { class: name, x1: x.at(from ?? low), x2: x.at(to ?? high), y1: y, y2: y }));
  return draw("svg", { class: "span", viewBox: "0 0 160 30", role: "img", "aria-label": `claimed ${claim.claimed}, measured ${claim.measured}` },
    bar(claim.claimedSpan, 10, "claimed"), bar(claim.measuredSpan, 21, `measured ${claim.verdict}`));
}
