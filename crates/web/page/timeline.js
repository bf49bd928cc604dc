// What happened and when: generations as bands, verdicts, checkpoints and coordinators as marks, and a list of all.

import { h, s, count, several, moment, span, ticks, oncePerFrame } from "./dom.js";

/** Kinds of records: the row they are drawn in, the sign, and the words. */
const KINDS = {
  fence: { row: "coordinator", sign: "◆", text: (one) => `coordinator ${one.fence} takes the run over (${one.version})` },
  generation: { row: "generation", sign: "▮", text: (one) => `generation ${one.generation} with ${several(one.members.length, "worker")}: ${one.members.join(", ")}` },
  verdict: { row: "verdict", sign: "▲", text: (one) => one.line },
  commit: { row: "checkpoint", sign: "●", text: (one) => `checkpoint of step ${count(one.step)} committed` },
  removed: { row: "checkpoint", sign: "○", text: (one) => `checkpoint of step ${count(one.step)} given up` },
  skipped: { row: "verdict", sign: "▽", text: (one) => `a damaged sample of step ${count(one.step)} passed over` },
  bad_batch: { row: "verdict", sign: "▽", text: (one) => `the batch of step ${count(one.step)} moved no weight` },
  forked: { row: "coordinator", sign: "◇", text: (one) => `forked from ${one.run} at step ${count(one.step)}` },
  rolled_back: { row: "coordinator", sign: "◀", text: (one) => `rolled back to step ${count(one.step)}` },
  finished: { row: "coordinator", sign: "■", text: () => "finished" },
  interrupted: { row: "coordinator", sign: "‖", text: (one) => `stopped at step ${count(one.step)}: ${one.reason}` },
};
const QUIET = "without checkpoints";
const ROWS = ["coordinator", "generation", "verdict", "checkpoint"];
const HEIGHT = 26;

export const sentence = (item) => KINDS[item.kind]?.text(item) ?? item.kind;

/** A round length of time: 30 s, 5 min, 2 h, 3 d. */
function short(seconds) {
  const [size, name] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => seconds >= size);
  const rest = seconds % size;
  return rest ? span(seconds) : `${seconds / size} ${name}`;
}

export class Timeline {
  constructor() {
    this.items = [];
    this.chart = h("div", { class: "timeline" });
    this.readout = h("p", { class: "readout", "aria-live": "polite" });
    this.filter = h("select", { "aria-label": "Which records are listed", change: () => this.fill() });
    this.list = h("tbody", {});
    this.element = h(
      "section",
      { class: "panel wide", id: "timeline" },
      h("header", {}, h("h2", {}, "What happened"), this.filter),
      this.chart,
      this.readout,
      h("div", { class: "scroll" }, h("table", { class: "records" }, h("thead", {}, h("tr", {}, ["when", "", "what", "step"].map((name) => h("th", { scope: "col" }, name)))), this.list)),
    );
    this.draw = oncePerFrame(() => this.paint());
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.chart);
  }

  set(items, endMs) {
    this.items = items;
    this.end = endMs;
    const rows = ROWS.filter((row) => items.some((item) => KINDS[item.kind]?.row === row));
    const choices = [[QUIET, QUIET], ["all", "all records"], ...rows.map((row) => [row, `${row}s`])];
    if (this.filter.options.length !== choices.length) {
      this.filter.replaceChildren(...choices.map(([value, text]) => h("option", { value }, text)));
    }
    this.fill();
    this.draw();
  }

  fill() {
    const wanted = this.filter.value;
    const isShown = (row) => wanted === "all" || (wanted === QUIET ? row !== "checkpoint" : row === wanted);
    const shown = this.items.filter((item) => isShown(KINDS[item.kind]?.row));
    const newest = shown.slice(-200).reverse();
    this.list.replaceChildren(
      ...newest.map((item) =>
        h(
          "tr",
          { class: item.kind },
          h("td", {}, moment(item.unix_ms)),
          h("td", { class: "sign", "aria-hidden": "true" }, KINDS[item.kind]?.sign ?? "·"),
          h("td", { class: "what" }, sentence(item)),
          h("td", { class: "figure" }, item.step === null || item.step === undefined ? "" : count(item.step)),
        ),
      ),
    );
  }

  paint() {
    const timed = this.items.filter((item) => item.unix_ms);
    const width = this.chart.clientWidth;
    if (!timed.length || !width) return this.chart.replaceChildren();
    const isNarrow = width < 560;
    const left = isNarrow ? 8 : 96;
    const begin = timed[0].unix_ms;
    const end = Math.max(this.end ?? 0, timed[timed.length - 1].unix_ms, begin + 1000);
    const x = (unixMs) => left + ((unixMs - begin) / (end - begin)) * (width - left - 12);
    const y = (row) => ROWS.indexOf(row) * HEIGHT + 4;
    const height = ROWS.length * HEIGHT + 24;
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": "Records of the run over time" });
    for (const row of ROWS) {
      svg.append(s("line", { class: "rule", x1: left, x2: width, y1: y(row) + HEIGHT - 4, y2: y(row) + HEIGHT - 4 }));
      if (!isNarrow) svg.append(s("text", { class: "label", x: 0, y: y(row) + 14 }, `${row}s`));
    }
    this.bands(svg, timed, x, y, end);
    timed.filter((item) => item.kind !== "generation").forEach((item) => this.mark(svg, item, x(item.unix_ms), y(KINDS[item.kind]?.row ?? "coordinator")));
    const label = (at, anchor, text) => svg.append(s("text", { class: "label", x: x(at), y: height - 6, "text-anchor": anchor }, text));
    label(begin, "start", moment(begin));
    const lasts = (end - begin) / 1000;
    for (const after of ticks(lasts, (lasts * 120) / (width - left), true)) {
      const at = begin + after * 1000;
      if (x(at) > left + 110 && x(at) < width - 40) label(at, "middle", `+${short(after)}`);
    }
    this.chart.replaceChildren(svg);
    return undefined;
  }

  bands(svg, timed, x, y, end) {
    const generations = timed.filter((item) => item.kind === "generation");
    const most = Math.max(1, ...generations.map(({ members }) => members.length));
    generations.forEach((item, at) => {
      const from = x(item.unix_ms);
      const to = x(Math.min(end, generations[at + 1]?.unix_ms ?? end));
      const height = Math.max(4, (18 * item.members.length) / most);
      const band = s("rect", { class: "band", x: from, y: y("generation") + 18 - height, width: Math.max(1, to - from - 1), height, tabindex: 0 });
      this.listen(band, item);
      svg.append(band);
      if (to - from > 26) svg.append(s("text", { class: "inband", x: from + 4, y: y("generation") + 13 }, item.generation));
    });
  }

  mark(svg, item, x, y) {
    const sign = s("text", { class: `mark ${item.kind}`, x, y: y + 15, "text-anchor": "middle", tabindex: 0 }, KINDS[item.kind]?.sign ?? "·");
    this.listen(sign, item);
    svg.append(sign);
  }

  listen(element, item) {
    const tell = () => (this.readout.textContent = `${moment(item.unix_ms)} · ${sentence(item)}`);
    const quiet = () => (this.readout.textContent = "");
    element.append(s("title", {}, sentence(item)));
    for (const [event, act] of [["mouseenter", tell], ["focus", tell], ["mouseleave", quiet], ["blur", quiet]]) element.addEventListener(event, act);
  }

  destroy() {
    this.observer.disconnect();
  }
}
