// Two runs side by side: the same curves in one plot each, and the figures in two columns.

import { h, count, number, percent, span, NONE } from "./dom.js";
import * as api from "./api.js";
import { Plot } from "./charts.js";
import { Choices, plotsOf, namesOf } from "./curves.js";
import { ledgerPanel } from "./ledger.js";
import { state } from "./list.js";

const POINTS = 1000;
const COLOURS = ["--c1", "--c2"];

export class CompareView {
  constructor(ids, { place, tools, where, chosen, keep }) {
    Object.assign(this, { ids, place, chosen });
    this.range = null;
    this.choices = new Choices(chosen, keep, () => this.draw());
    this.whole = h("button", { class: "small", hidden: true, title: "Show all (Esc)", click: () => this.zoom(null) }, "show all");
    tools.replaceChildren(this.whole, this.choices.element);
    where.replaceChildren(h("b", {}, "two runs"));
    this.shared = {
      zoom: (range) => this.zoom(range),
      marks: () => [],
      get x() {
        return chosen.x;
      },
      get smoothing() {
        return chosen.smoothing;
      },
    };
    this.ready = this.load();
  }

  async load() {
    this.summaries = await Promise.all(this.ids.map(api.summary));
    if (this.isOver) return;
    document.title = `${this.summaries.map(({ name }) => name).join(" and ")} · fratmae`;
    const all = [...new Set(this.summaries.flatMap(({ names }) => names))];
    const single = plotsOf(all, 0).flatMap((spec) => (spec.isStacked ? [] : spec.lines.filter(({ dash }) => !dash).map((line) => ({ spec, line }))));
    this.names = single.map(({ line }) => line.name);
    this.plots = single.map(({ spec, line }) => {
      const title = spec.lines.length > 1 ? `${spec.title}: ${line.label}` : spec.title;
      const lines = this.summaries.map(({ name }, at) => ({ name: `${at}`, label: name, colour: COLOURS[at] }));
      return new Plot({ ...spec, title, lines, spans: true }, this.shared);
    });
    const ledgers = await Promise.all(this.ids.map(api.ledger));
    if (this.isOver) return;
    this.place.replaceChildren(
      figures(this.summaries, ledgers),
      h("section", { class: "curves wide" }, this.plots.map(({ element }) => element)),
      h("div", { class: "pair wide" }, ledgers.map((ledger, at) => h("div", {}, h("h2", { class: `of${at}` }, this.summaries[at].name), ledgerPanel(ledger)))),
    );
    await this.curves();
  }

  async curves() {
    const [from, to] = this.range ?? [];
    const name = this.names.join(",");
    this.data = await Promise.all(this.ids.map((id) => api.series(id, { name, points: POINTS, from, to })));
    if (!this.isOver) this.draw();
  }

  draw() {
    this.plots.forEach((plot, at) => {
      const name = this.names[at];
      const tables = this.data.map((data) => [data[this.chosen.x], data.series[name]?.mean ?? data.step.map(() => null)]);
      const [xs, ...columns] = uPlot.join(tables);
      plot.set({ xs, step: xs, series: Object.fromEntries(columns.map((mean, run) => [`${run}`, { mean }])) });
    });
  }

  zoom(range) {
    if (!range && !this.range) return;
    this.range = range && this.steps(range);
    this.whole.hidden = !this.range;
    this.curves();
  }

  /** The steps of either run that are in a range of the x axis. */
  steps([low, high]) {
    const inside = this.data.flatMap((data) => data.step.filter((_, at) => data[this.chosen.x][at] >= low && data[this.chosen.x][at] <= high));
    return inside.length > 1 ? [Math.min(...inside), Math.max(...inside)] : this.range;
  }

  redraw() {
    if (this.data) this.draw();
  }

  key(event) {
    if (!this.choices.key(event) && event.key === "Escape") this.zoom(null);
  }

  destroy() {
    this.isOver = true;
    (this.plots ?? []).forEach((plot) => plot.destroy());
  }
}

function figures(summaries, ledgers) {
  const known = (value, shown) => (value === null || value === undefined ? NONE : shown(value));
  const rows = [
    ["step", ({ step, last_step: last }) => `${count(step)} of ${count(last)}`],
    ["loss", ({ metrics }) => known(metrics.loss, number)],
    ["samples", ({ samples }) => count(samples)],
    ["samples/s", (now) => known(now.samples_per_second, (value) => number(value, 3))],
    ["time of a step", (now) => known(now.step_seconds, span)],
    ["batch", ({ batch }) => count(batch)],
    ["generations", ({ generation }) => count(generation)],
    ["verdicts", ({ counts }) => count(counts.verdicts)],
    ["steps repeated", ({ counts }) => count(counts.steps_repeated)],
    ["goodput", (_, at) => known(ledgers[at].ratios.goodput, percent)],
    ["availability", (_, at) => known(ledgers[at].ratios.availability, percent)],
  ];
  return h(
    "section",
    { class: "panel wide" },
    h(
      "div",
      { class: "across" },
      h(
        "table",
        { class: "pairfigures" },
        h("thead", {}, h("tr", {}, h("td", {}), summaries.map(({ id, name, snapshot }, at) => h("th", { scope: "col", class: `of${at}` }, h("a", { href: `#/run/${encodeURIComponent(id)}` }, name), " ", state(snapshot.state))))),
        h("tbody", {}, rows.map(([name, shown]) => h("tr", {}, h("th", { scope: "row" }, name), summaries.map(({ snapshot }, at) => h("td", { class: "figure" }, shown(snapshot, at)))))),
      ),
    ),
  );
}
