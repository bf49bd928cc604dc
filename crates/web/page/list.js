// All runs of the folders that are served: which there are, how far each is, and which two to compare.

import { h, count, number, percent, ago, span, NONE } from "./dom.js";
import * as api from "./api.js";

/** A state with a sign, so that it is not told by colour alone. */
export const SIGNS = { waiting: "◌", training: "●", stopping: "◐", finished: "■", interrupted: "‖", failed: "✕", stopped: "○" };

export const state = (name) => h("span", { class: `state ${name}` }, h("i", { "aria-hidden": "true" }, SIGNS[name] ?? "·"), name);

const EVERY = 5000;
const HEADS = ["", "run", "state", "step", "loss", "samples/s", "goodput", "workers", "last sign of life"];

export async function listView({ place, where, tools }) {
  const { runs, is_single: isSingle } = await api.runs();
  if (isSingle && runs.length === 1 && !location.hash) {
    location.replace(`#/run/${encodeURIComponent(runs[0].id)}`);
    return {};
  }
  document.title = "Runs · fratmae";
  where.replaceChildren();
  const view = new ListView(place, tools);
  view.show(runs);
  return view;
}

class ListView {
  constructor(place, tools) {
    this.place = place;
    this.marked = [];
    this.wanted = "";
    this.compare = h("button", { disabled: true, click: () => this.go() }, "Compare");
    this.search = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter runs by name", input: () => this.sift() });
    tools.replaceChildren(this.search, this.compare);
    this.body = h("tbody", {});
    this.place.replaceChildren(
      h("section", { class: "panel wide" }, h("header", {}, h("h2", {}, "Runs"), h("span", { class: "unit" }, "mark two to compare them")), h("div", { class: "across" }, h("table", { class: "runs" }, h("thead", {}, h("tr", {}, HEADS.map((name, at) => h("th", { scope: "col", class: at > 3 ? "figure" : null }, name)))), this.body))),
    );
    this.timer = setInterval(() => this.refresh(), EVERY);
  }

  async refresh() {
    try {
      this.show((await api.runs()).runs);
    } catch {
      // The server is away; the next look may find it.
    }
  }

  sift() {
    this.wanted = this.search.value.toLowerCase();
    this.show(this.runs);
  }

  show(runs) {
    this.runs = runs;
    const shown = runs.filter(({ name }) => name.toLowerCase().includes(this.wanted));
    if (!shown.length) {
      this.body.replaceChildren(h("tr", {}, h("td", { colspan: 9, class: "empty" }, runs.length ? "No run has this name." : "There is no run here yet.")));
      return;
    }
    this.body.replaceChildren(...shown.map((run) => this.row(run)));
  }

  row(run) {
    const part = run.last_step ? run.step / run.last_step : 0;
    const progress = h("progress", { max: 1, value: part, "aria-label": "Steps done" });
    const box = h("input", { type: "checkbox", "aria-label": `Compare ${run.name}`, checked: this.marked.includes(run.id), change: () => this.mark(run.id, box) });
    const left = run.eta_seconds ? ` · ${span(run.eta_seconds)} left` : "";
    return h(
      "tr",
      {},
      h("td", {}, box),
      h("th", { scope: "row", class: "name" }, h("a", { href: `#/run/${encodeURIComponent(run.id)}` }, run.name), run.error ? h("span", { class: "note" }, run.error) : null),
      h("td", {}, state(run.state)),
      h("td", { class: "steps" }, `${count(run.step)} of ${count(run.last_step)}${left}`, progress),
      [
        run.loss === null ? NONE : number(run.loss),
        run.samples_per_second === null ? NONE : number(run.samples_per_second, 3),
        run.goodput === null ? NONE : percent(run.goodput),
        run.workers ? count(run.workers) : NONE,
        ago(run.updated_unix_ms),
      ].map((figure, at) => h("td", { class: "figure", "data-name": HEADS[at + 4] }, figure)),
    );
  }

  mark(id, box) {
    this.marked = this.marked.filter((one) => one !== id);
    if (box.checked) this.marked = [...this.marked, id].slice(-2);
    this.compare.disabled = this.marked.length !== 2;
    this.show(this.runs);
  }

  go() {
    location.hash = `#/compare/${this.marked.map(encodeURIComponent).join("/")}`;
  }

  destroy() {
    clearInterval(this.timer);
  }
}
