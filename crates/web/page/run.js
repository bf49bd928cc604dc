// One run: what it is and does, its curves, its ranks, what happened to it, and where its time went.

import { h, count, several, number, percent, span, ago, moment, NONE } from "./dom.js";
import * as api from "./api.js";
import { Plot, AXES } from "./charts.js";
import { Choices, plotsOf, namesOf } from "./curves.js";
import { HeatMap } from "./heat.js";
import { Timeline } from "./timeline.js";
import { ledgerPanel } from "./ledger.js";
import { state } from "./list.js";

/** Points of a curve: no more than a screen has pixels. */
const POINTS = 1000;
/** Steps that are added to curves before they are read anew with fewer points. */
const FRESH = 500;
/** How often what no event tells is read again while a run trains. */
const EVERY = 15000;
/** After how long a server that did not answer is asked again. */
const AGAIN = 5000;

const LIVE = ["waiting", "training", "stopping"];
const SECTIONS = [["curves", "Curves"], ["pictures", "Pictures"], ["ranks", "Ranks"], ["timeline", "Records"], ["ledger", "Ledger"], ["workers", "Workers"], ["checkpoints", "Checkpoints"]];

export class RunView {
  constructor(id, { place, tools, where, chosen, keep }) {
    Object.assign(this, { id, place, chosen });
    this.range = null;
    this.added = 0;
    this.choices = new Choices(chosen, keep, () => this.redraw());
    this.live = h("span", { class: "live", role: "status" });
    this.whole = h("button", { class: "small", hidden: true, title: "Show all steps (Esc)", click: () => this.zoom(null) }, "show all");
    tools.replaceChildren(this.whole, this.choices.element, this.live);
    this.where = where;
    this.shared = {
      zoom: (range) => this.zoom(range),
      marks: (data) => this.marks(data),
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
    this.summary = await api.summary(this.id);
    if (this.isOver) return;
    const { name, snapshot, names } = this.summary;
    document.title = `${name} · fratmae`;
    this.where.replaceChildren(h("b", {}, name), ...SECTIONS.map(([at, text]) => h("a", { href: `#${at}`, hidden: at === "pictures", click: (event) => this.jump(event, at) }, text)));
    this.specs = plotsOf(names, snapshot.batch);
    this.plots = this.specs.map((spec) => new Plot(spec, this.shared));
    this.goodput = new Plot(GOODPUT, this.shared);
    this.heat = new HeatMap((metric, isRelative, columns) => this.askHeat(metric, isRelative, columns), this.shared);
    this.timeline = new Timeline();
    const spot = () => h("section", { class: "panel wide" });
    this.spots = { head: spot(), findings: h("div", { class: "findings wide" }), ledger: spot(), workers: spot(), checkpoints: spot(), pictures: h("div", { class: "wide" }) };
    this.pictured = null;
    this.place.replaceChildren(
      this.spots.head,
      this.spots.findings,
      h("section", { class: "curves wide", id: "curves" }, [...this.plots, this.goodput].map(({ element }) => element)),
      this.spots.pictures,
      this.heat.element,
      this.timeline.element,
      this.spots.ledger,
      h("div", { class: "tables wide" }, this.spots.workers, this.spots.checkpoints),
    );
    this.head();
    this.around();
    await this.curves();
    performance.mark("first curve");
    this.follow();
    await Promise.all([this.heat.load(), this.records(), this.spending(), this.saved(), this.pictures()]);
    this.timer = setInterval(() => this.look(), EVERY);
    this.clock = setInterval(() => this.head(), 1000);
  }

  jump(event, at) {
    event.preventDefault();
    document.getElementById(at)?.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  get isLive() {
    return LIVE.includes(this.summary.snapshot.state);
  }

  async curves() {
    const [from, to] = this.range ?? [];
    const data = await api.series(this.id, { name: namesOf(this.specs).join(","), points: POINTS, from, to });
    if (this.isOver) return;
    this.data = data;
    this.added = 0;
    this.cursor ??= data.cursor;
    this.draw();
  }

  draw() {
    const data = { ...this.data, xs: this.data[this.chosen.x] };
    this.plots.forEach((plot) => plot.set(data));
  }

  async askHeat(metric, isRelative, columns) {
    const [from, to] = this.range ?? [];
    return api.heat(this.id, { metric, relative: isRelative || null, columns, from, to });
  }

  async records() {
    const { items } = await api.timeline(this.id);
    this.items = items;
    this.timeline.set(items, this.isLive ? Date.now() : null);
    this.draw();
  }

  async spending() {
    this.ledger = await api.ledger(this.id);
    if (this.isOver) return;
    this.spots.ledger.replaceWith((this.spots.ledger = ledgerPanel(this.ledger)));
    const { unix_ms: times, goodput, availability } = this.ledger.course;
    const isKnown = times.length > 0;
    this.goodput.element.hidden = !isKnown;
    if (isKnown) this.goodput.set({ xs: times.map((time) => time / 1000), series: { goodput: { mean: goodput }, availability: { mean: availability } } });
    this.head();
  }

  async saved() {
    const { checkpoints } = await api.checkpoints(this.id);
    this.saves = checkpoints;
    this.spots.checkpoints.replaceWith((this.spots.checkpoints = checkpointsPanel(checkpoints)));
  }

  async pictures() {
    const { pictures, errors } = await api.pictures(this.id);
    this.spots.pictures.hidden = !pictures.length;
    this.where.querySelector('[href="#pictures"]').hidden = !pictures.length;
    const newest = pictures[pictures.length - 1]?.name;
    if (this.isOver || !newest || newest === this.pictured) return;
    this.pictured = newest;
    // Whoever looks at an older step goes on looking at it.
    const slider = this.spots.pictures.querySelector("input");
    const step = slider && slider.value !== slider.max ? Number(slider.dataset.step) : null;
    this.spots.pictures.replaceChildren(picturesPanel(this.id, pictures, step));
    if (errors.length) this.validation(errors);
  }

  /** The curve of the pictures' errors, which come with checkpoints and have an axis of their own. */
  validation(errors) {
    if (!this.errors) {
      this.errors = new Plot(errorsOf(errors[errors.length - 1]), { ...this.shared, x: "step", smoothing: 0, marks: () => [], zoom: () => {} });
      this.goodput.element.before(this.errors.element);
    }
    const of = (name) => ({ mean: errors.map((one) => one[name]) });
    this.errors.set({ xs: errors.map(({ step }) => step), series: { pet: of("pet"), ct: of("ct") } });
  }

  head() {
    const fresh = headPanel(this.summary, this.ledger?.ratios);
    this.spots.head.replaceWith((this.spots.head = fresh));
    this.tell();
  }

  /** What comes with a snapshot, beside the head. */
  around() {
    this.spots.workers.replaceWith((this.spots.workers = workersPanel(this.summary.snapshot)));
    this.spots.findings.replaceChildren(...(this.summary.findings ?? []).map((finding) => h("p", { class: "finding" }, h("i", { "aria-hidden": "true" }, "▲"), finding.line)));
  }

  tell() {
    const [mark, text] = !this.isLive ? ["over", `as of ${moment(this.summary.snapshot.unix_ms)}`] : this.isConnected ? ["on", "live"] : ["off", "connecting …"];
    this.live.className = `live ${mark}`;
    this.live.textContent = text;
  }

  follow() {
    this.leave?.();
    this.leave = api.follow(this.id, this.cursor, {
      changed: (change) => this.changed(change),
      resync: () => this.restart(),
      connected: (isConnected) => {
        this.isConnected = isConnected;
        this.tell();
      },
    });
  }

  changed({ snapshot, findings, steps, rewound_to: rewound, records }) {
    if (snapshot) {
      Object.assign(this.summary, { snapshot, findings });
      this.head();
      this.around();
    }
    if (records?.length) {
      this.items.push(...records);
      this.timeline.set(this.items, Date.now());
      if (records.some(({ kind }) => kind === "commit" || kind === "removed")) this.saved();
      if (records.some(({ kind }) => kind === "commit")) this.renew();
      if (records.some(({ kind }) => kind === "generation")) this.draw();
    }
    if (steps && Object.keys(steps.values).some((name) => !this.summary.names.includes(name))) this.restart();
    else if (rewound !== null && rewound !== undefined) this.curves();
    else if (steps && !this.range) this.add(steps);
  }

  /** A checkpoint brings figures that no event tells, such as the time of each phase. */
  async renew() {
    const { names, steps } = await api.summary(this.id);
    this.summary.steps = steps;
    if (names.length !== this.summary.names.length) this.restart();
    else if (!this.range) this.curves();
  }

  /** Too much has changed to be told as a change: the page is made anew, as soon as the server answers. */
  async restart() {
    if (this.isRestarting || this.isOver) return;
    this.isRestarting = true;
    this.close();
    this.cursor = null;
    try {
      await this.load();
    } catch {
      setTimeout(() => this.restart(), AGAIN);
    }
    this.isRestarting = false;
  }

  add(steps) {
    const { data } = this;
    const newest = data.step[data.step.length - 1] ?? 0;
    steps.step.forEach((step, at) => {
      if (step <= newest) return;
      for (const axis of Object.keys(AXES)) data[axis].push(steps[axis][at]);
      for (const [name, curve] of Object.entries(data.series)) {
        const value = steps.values[name]?.[at] ?? null;
        curve.mean.push(value);
        curve.min?.push(value);
        curve.max?.push(value);
      }
      this.added += 1;
    });
    if (this.added > FRESH) this.curves();
    else this.draw();
  }

  look() {
    if (document.hidden || !this.isLive) return;
    this.heat.load();
    this.spending();
    this.pictures();
  }

  /** Shows a range of the x axis, or all. */
  zoom(range) {
    if (range) {
      const xs = this.data[this.chosen.x];
      const from = xs.findIndex((x) => x >= range[0]);
      const after = xs.findIndex((x) => x > range[1]);
      const to = after < 0 ? xs.length - 1 : after - 1;
      if (from < 0 || to <= from) return;
      this.range = [this.data.step[from], this.data.step[to]];
    } else if (this.range) {
      this.range = null;
    } else {
      return;
    }
    this.whole.hidden = !this.range;
    this.curves();
    this.heat.load();
  }

  /** Moves the range by half its width. */
  shift(direction) {
    if (!this.range) return;
    const [from, to] = this.range;
    const width = to - from;
    const [first, last] = this.summary.steps ?? [from, to];
    const begin = Math.min(Math.max(first, from + Math.round((direction * width) / 2)), Math.max(first, last - width));
    this.range = [begin, begin + width];
    this.curves();
    this.heat.load();
  }

  /** Where generations began, on the x axis of the curves. */
  marks(data) {
    const begins = (this.items ?? []).filter(({ kind, step }) => kind === "generation" && step > 0).map(({ step }) => step);
    if (begins.length > 60) return [];
    return begins.map((step) => data.step.findIndex((one) => one > step)).filter((at) => at > 0).map((at) => data.xs[at]);
  }

  redraw() {
    if (!this.data) return;
    this.draw();
    this.errors?.draw();
    this.heat.draw();
    if (this.ledger) this.spending();
  }

  key(event) {
    if (this.choices.key(event)) return;
    if (event.key === "Escape") this.zoom(null);
    if (event.key === "ArrowLeft") this.shift(-1);
    if (event.key === "ArrowRight") this.shift(1);
  }

  destroy() {
    this.isOver = true;
    this.close();
  }

  close() {
    this.leave?.();
    clearInterval(this.timer);
    clearInterval(this.clock);
    [...(this.plots ?? []), this.goodput, this.errors, this.heat, this.timeline].forEach((part) => part?.destroy());
  }
}

const GOODPUT = {
  title: "Goodput over time",
  unit: "ratio",
  help: "The share of the workers' time that moved the weights, and the share of workers that were there",
  isClock: true,
  range: () => [0, 1.02],
  lines: [
    { name: "goodput", label: "goodput", colour: "--c3" },
    { name: "availability", label: "availability", colour: "--c4", dash: [4, 4] },
  ],
};

/** The plot of the pictures' errors, which is the validation curve where the run does not train on their cases. */
function errorsOf({ cases, is_held_out: isHeldOut }) {
  return {
    title: isHeldOut ? "Validation" : "Error of the pictures",
    unit: "MSE",
    help: `Mean squared error on masked patches of ${several(cases, isHeldOut ? "held-out case" : "case")} over steps, with the same masks every time`,
    lines: [
      { name: "pet", label: "PET", colour: "--c1" },
      { name: "ct", label: "CT", colour: "--c2" },
    ],
  };
}

function headPanel({ name, snapshot: now, notes }, ratios) {
  const part = now.last_step ? now.step / now.last_step : 0;
  const members = now.workers.filter(({ seat }) => seat === "member").length;
  const standby = now.workers.filter(({ seat }) => seat === "standby").length;
  const [least, most] = now.wanted;
  const wanted = most === least ? most : `${least}–${most}`;
  const workers = most ? `${members} of ${wanted}` : count(members);
  const group = `generation ${count(now.generation)}${standby ? ` · ${standby} standby` : ""}`;
  const fact = (label, value, help, note) => h("div", { title: help }, h("dt", {}, label), h("dd", {}, value), h("dd", { class: "note" }, note ?? ""));
  const known = (value, shown) => (value === null || value === undefined ? NONE : shown(value));
  const loss = now.metrics.loss;
  return h(
    "section",
    { class: "panel wide head" },
    h("div", { class: "headline" }, state(now.state), h("h1", {}, name), now.reason ? h("span", { class: "reason" }, now.reason) : null, h("span", { class: "run", title: now.run }, now.run)),
    h("div", { class: "progress" }, h("progress", { max: 1, value: part, "aria-label": "Steps done" }), h("span", {}, `step ${count(now.step)} of ${count(now.last_step)} · ${percent(part)}`), now.eta_seconds === null ? null : h("span", { class: "note" }, `${span(now.eta_seconds)} left`)),
    h(
      "dl",
      { class: "facts" },
      fact("loss", known(loss, number), "Of the newest step", now.metrics.reconstruction === undefined ? "" : `reconstruction ${known(now.metrics.reconstruction, number)}`),
      fact("throughput", known(now.samples_per_second, (value) => `${number(value, 3)} samples/s`), "Over the newest steps", known(now.step_seconds, (value) => `${span(value)} a step of ${count(now.batch)}`)),
      fact("goodput", known(ratios?.goodput, percent), "Worker time that moved the weights, of all worker time", known(ratios?.availability, (value) => `availability ${percent(value)}`)),
      fact("workers", workers, "Members of the group, of those that are wanted", group),
      fact("checkpoint", known(now.committed_step, (value) => `step ${count(value)}`), "The newest that is committed", now.committed_unix_ms ? ago(now.committed_unix_ms) : ""),
      fact("verdicts", count(now.counts.verdicts), "Workers found at fault", `${several(now.counts.steps_repeated, "step")} repeated`),
      fact("samples", count(now.samples), "In the lineage of the weights", `${several(now.counts.steps_skipped, "step")} skipped`),
      fact("coordinator", `fence ${count(now.fence)}`, "How often a coordinator took the run over", now.version),
    ),
    (notes ?? []).map((note) => h("p", { class: "finding" }, h("i", { "aria-hidden": "true" }, "▲"), note)),
  );
}

function workersPanel({ workers, step, state: name }) {
  const isLive = LIVE.includes(name);
  const score = (value) => (value === null || value === undefined ? NONE : value.toFixed(2));
  const behind = (one) => (one.step < step ? h("span", { class: "note" }, ` −${count(step - one.step)}`) : "");
  /** Heads with what stands below them, whether it is a figure, whether it is known only while a run is live, and help. */
  const columns = [
    ["rank", (one) => one.rank ?? one.seat, true],
    ["worker", (one) => one.name, false],
    ["host", (one) => one.host, false],
    ["step", (one) => [count(one.step), behind(one)], true],
    ["doing", (one) => one.phase, false, true],
    ["for", (one) => span(one.still_ms / 1000), true, true, "How long it has not got on within its phase"],
    ["heard", (one) => `${span(one.silent_ms / 1000)} ago`, true, true, "Its newest heartbeat"],
    ["slots", (one) => (one.slots ? count(one.slots) : NONE), true, false, "Micro-batches of a step that it computes"],
    ["of the best", (one) => score(one.relative_score), true, false, "Its speed over the newest steps, as a share of the fastest rank's"],
    ["of its best", (one) => score(one.individual_score), true, false, "Its speed over the newest steps, as a share of its own best"],
  ].filter(([, , , isOfLive]) => isLive || !isOfLive);
  const style = (isFigure) => ({ class: isFigure ? "figure" : null });
  const head = columns.map(([text, , isFigure, , help]) => h("th", { scope: "col", title: help, ...style(isFigure) }, text));
  const rows = workers.map((one) => h("tr", {}, columns.map(([, shown, isFigure]) => h("td", style(isFigure), shown(one)))));
  const table = h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows)));
  return h("section", { class: "panel wide", id: "workers" }, h("header", {}, h("h2", {}, isLive ? "Workers" : "Workers at the end")), workers.length ? table : h("p", { class: "empty" }, "No worker is there."));
}

function checkpointsPanel(checkpoints) {
  const rows = [...checkpoints].reverse().map(({ step, generation, unix_ms: time, is_kept: isKept }) =>
    h("tr", { class: isKept ? "" : "gone" }, h("td", { class: "figure" }, count(step)), h("td", { class: "figure" }, count(generation)), h("td", {}, moment(time)), h("td", {}, isKept ? "kept" : "given up")),
  );
  const table = h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, ["step", "generation", "committed", ""].map((name, at) => h("th", { scope: "col", class: at < 2 ? "figure" : null }, name)))), h("tbody", {}, rows)));
  return h("section", { class: "panel wide", id: "checkpoints" }, h("header", {}, h("h2", {}, "Checkpoints"), h("span", { class: "unit" }, `${checkpoints.filter(({ is_kept: isKept }) => isKept).length} kept of ${checkpoints.length}`)), rows.length ? table : h("p", { class: "empty" }, "No checkpoint yet."));
}

function picturesPanel(id, pictures, chosen) {
  const steps = [...new Set(pictures.map(({ step }) => step))].sort((a, b) => a - b);
  const row = h("div", { class: "pictures" });
  const at = h("output", {});
  const show = () => {
    const step = steps[Number(slider.value)];
    at.textContent = `step ${count(step)}`;
    slider.dataset.step = step;
    const shown = pictures.filter((one) => one.step === step).map(({ name }) => api.pictureUrl(id, name));
    row.replaceChildren(...shown.map((url) => h("a", { href: url, target: "_blank", title: "Open the picture by itself" }, h("img", { src: url, alt: `Reconstruction at step ${count(step)}` }))));
  };
  const slider = h("input", { type: "range", min: 0, max: steps.length - 1, value: steps.includes(chosen) ? steps.indexOf(chosen) : steps.length - 1, "aria-label": "Step of the pictures", input: show });
  show();
  slider.hidden = steps.length < 2;
  return h("section", { class: "panel wide", id: "pictures" }, h("header", {}, h("h2", {}, "Pictures of the same cases"), slider, at), row);
}
