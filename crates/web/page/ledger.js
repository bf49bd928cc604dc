// Where the time of all workers went: one bar for the run, one for each worker, and the figures beside them.

import { h, span, percent, NONE } from "./dom.js";

/** The accounts in the order of the bars: what moves the weights, what a step waits for, what is no step. */
export const ACCOUNTS = [
  ["forward", "forward pass"],
  ["backward", "backward pass"],
  ["optimizer", "optimizer"],
  ["transfer", "transfer between ranks"],
  ["wait", "waiting for slower ranks"],
  ["load", "waiting for samples"],
  ["checkpoint", "copying for a checkpoint"],
  ["regroup", "forming a new group"],
  ["restore", "restoring the state"],
  ["join", "joining"],
  ["start", "starting"],
  ["standby", "standing by"],
  ["drain", "leaving"],
];

const sum = (accounts) => Object.values(accounts).reduce((total, one) => total + one, 0);

function bar(accounts, whole, isNamed = false) {
  const segments = ACCOUNTS.filter(([name]) => accounts[name] > 0).map(([name, label]) => {
    const share = accounts[name] / whole;
    const segment = h("i", { class: "segment", title: `${label}: ${span(accounts[name] / 1e9)} (${percent(share)})` });
    segment.style.flexGrow = share;
    segment.style.background = `var(--a-${name})`;
    segment.style.color = `var(--on-${name}, var(--on-dark))`;
    if (isNamed) segment.append(h("span", {}, h("b", {}, label.split(" ")[0]), ` ${percent(share)}`));
    return segment;
  });
  return h("div", { class: "ledgerbar" }, segments);
}

/** The section; `ledger` is what the API says. */
export function ledgerPanel(ledger) {
  const { accounts, lost: lostWork } = ledger.total;
  const whole = sum(accounts);
  if (!whole) return h("section", { class: "panel wide", id: "ledger" }, h("header", {}, h("h2", {}, "Ledger")), h("p", { class: "empty" }, "This run has no ledger."));
  const lost = lostWork.rewind + lostWork.partial + lostWork.silent;
  const rows = ACCOUNTS.filter(([name]) => accounts[name] > 0).map(([name, label]) => {
    const chip = h("i", { class: "chip" });
    chip.style.background = `var(--a-${name})`;
    return h("tr", {}, h("th", { scope: "row" }, chip, label), h("td", {}, span(accounts[name] / 1e9)), h("td", {}, percent(accounts[name] / whole)));
  });
  const longest = Math.max(...ledger.workers.map((worker) => sum(worker.accounts)));
  const workers = ledger.workers.map(({ worker, host, incarnations, accounts: own }) => {
    const line = bar(own, sum(own));
    line.style.width = `${(100 * sum(own)) / longest}%`;
    const again = incarnations > 1 ? `, ${incarnations} processes` : "";
    return h("div", { class: "workerbar" }, h("span", { class: "name", title: host }, worker), h("div", {}, line), h("span", { class: "figure" }, span(sum(own) / 1e9) + again));
  });
  const { availability, goodput, overall } = ledger.ratios;
  const ratio = (name, value, help) => h("div", { class: "ratio", title: help }, h("dt", {}, name), h("dd", {}, value === null ? NONE : percent(value)));
  return h(
    "section",
    { class: "panel wide", id: "ledger" },
    h("header", {}, h("h2", {}, "Ledger"), h("span", { class: "unit" }, `${span(whole / 1e9)} of worker time`)),
    h(
      "dl",
      { class: "ratios" },
      ratio("availability", availability, "Workers that were there, of those that were asked for"),
      ratio("goodput", goodput, "Forward, backward, optimizer and transfer that lasted, of the workers' time"),
      ratio("overall", overall, "Availability times goodput"),
      h("div", { class: "ratio", title: "Work that was done and came to nothing" }, h("dt", {}, "lost work"), h("dd", {}, span(lost / 1e9))),
    ),
    bar(accounts, whole, true),
    h("div", { class: "ledgergrid" }, h("table", { class: "accounts" }, h("tbody", {}, rows)), h("div", { class: "workerbars" }, workers)),
  );
}
