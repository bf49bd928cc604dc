// Ranks by steps: how long each rank took for what, by colour. A step without a figure is hatched, never zero.

import { h, count, span, number, styled, ticks, oncePerFrame } from "./dom.js";

// Cividis, which looks alike to all eyes, and a blue and an orange that do as well, around no difference.
const SEQUENCE = [[0, 34, 78], [33, 56, 109], [70, 80, 109], [101, 104, 112], [132, 129, 120], [165, 155, 116], [201, 183, 103], [234, 212, 81], [254, 232, 56]];
const AROUND = { light: [[5, 80, 145], [96, 160, 210], [244, 244, 240], [236, 150, 60], [165, 65, 0]], dark: [[120, 190, 255], [50, 105, 160], [38, 42, 46], [190, 105, 25], [255, 180, 90]] };
/** How many times slower or faster than the others is the end of the colours. */
const FAR = 2;

function mixed(stops, part) {
  const place = Math.min(Math.max(part, 0), 1) * (stops.length - 1);
  const at = Math.min(Math.floor(place), stops.length - 2);
  return stops[at].map((one, channel) => Math.round(one + (stops[at + 1][channel] - one) * (place - at)));
}

/** The map with its choices; `ask` gets figures: `(metric, isRelative, columns) → Promise`. */
export class HeatMap {
  constructor(ask, view) {
    this.ask = ask;
    this.view = view;
    this.metric = "step";
    this.isRelative = true;
    this.cell = null;
    this.canvas = h("canvas", {
      tabindex: "0",
      role: "img",
      "aria-label": "Ranks by steps. Arrow keys move from cell to cell.",
      mousemove: (event) => this.point(event),
      mouseleave: () => this.pick(null),
      keydown: (event) => this.key(event),
    });
    this.readout = h("p", { class: "readout", "aria-live": "polite" });
    this.choice = h("select", { "aria-label": "What is measured", change: () => this.choose(this.choice.value) });
    this.relative = h(
      "button",
      { class: "small", "aria-pressed": "true", title: "A rank's time for a slot, as a multiple of the median rank's", click: () => this.toggle() },
      "relative to the median rank",
    );
    this.legend = h("canvas", { class: "scale", width: 160, height: 8, "aria-hidden": "true" });
    this.low = h("span", {});
    this.high = h("span", {});
    this.element = h(
      "section",
      { class: "panel wide", id: "ranks" },
      h("header", {}, h("h2", {}, "Ranks by steps"), this.choice, this.relative, h("span", { class: "scalebox" }, this.low, this.legend, this.high)),
      h("div", { class: "heat" }, this.canvas),
      this.readout,
    );
    this.draw = oncePerFrame(() => this.paint());
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.canvas.parentElement);
  }

  choose(metric) {
    this.metric = metric;
    this.load();
  }

  toggle() {
    this.isRelative = !this.isRelative;
    this.relative.setAttribute("aria-pressed", String(this.isRelative));
    this.load();
  }

  async load() {
    const columns = Math.min(512, Math.max(32, Math.floor(this.canvas.parentElement.clientWidth / 4)));
    const asked = [this.metric, this.isRelative];
    const data = await this.ask(this.metric, this.isRelative, columns);
    if (String(asked) !== String([this.metric, this.isRelative])) return;
    this.data = data;
    if (this.choice.options.length !== data.metrics.length) {
      this.choice.replaceChildren(...data.metrics.map((name) => h("option", { value: name, selected: name === this.metric }, NAMES[name] ?? name)));
    }
    this.range = extent(data.values);
    this.draw();
  }

  place() {
    const { ranks, first } = this.data;
    const width = this.canvas.parentElement.clientWidth;
    const isNarrow = width < 560;
    const left = isNarrow ? 26 : 132;
    const row = Math.max(3, Math.min(22, Math.floor(360 / Math.max(1, ranks.length))));
    return { width, left, row, isNarrow, top: 2, height: row * ranks.length, cell: (width - left - 1) / Math.max(1, first.length) };
  }

  colour(value) {
    if (this.isRelative) {
      const stops = AROUND[document.documentElement.dataset.shade];
      return mixed(stops, 0.5 + Math.log(value) / Math.log(FAR) / 2);
    }
    const [low, high] = this.range;
    return mixed(SEQUENCE, high > low ? (value - low) / (high - low) : 0.5);
  }

  shown(value) {
    if (value === null || value === undefined) return "no figure";
    if (this.isRelative) return `${number(value, 3)} × the median`;
    return this.data.unit === "s" ? span(value) : number(value);
  }

  paint() {
    if (!this.data || !this.element.isConnected) return;
    const { ranks, first, last, values } = this.data;
    this.canvas.hidden = !ranks.length;
    const { width, left, row, isNarrow, top, height, cell } = this.place();
    const scale = devicePixelRatio;
    const total = top + height + 22;
    this.canvas.width = width * scale;
    this.canvas.height = total * scale;
    this.canvas.style.height = `${total}px`;
    const draw = this.canvas.getContext("2d");
    draw.scale(scale, scale);
    draw.fillStyle = hatch(draw);
    draw.fillRect(left, top, cell * first.length, height);
    const gap = row > 8 ? 1 : 0;
    values.forEach((line, rank) =>
      line.forEach((value, column) => {
        if (value === null) return;
        draw.fillStyle = `rgb(${this.colour(value)})`;
        const x = Math.floor((left + column * cell) * scale) / scale;
        const next = Math.floor((left + (column + 1) * cell) * scale) / scale;
        draw.fillRect(x, top + rank * row, next - x, row - gap);
      }),
    );
    draw.font = `11px ${styled("--face")}`;
    draw.textBaseline = "middle";
    draw.fillStyle = styled("--soft");
    const every = Math.ceil(14 / row);
    ranks.forEach(({ rank, worker }, at) => {
      if (at % every) return;
      const text = isNarrow ? String(rank) : `${rank}  ${worker}`;
      draw.textAlign = "left";
      draw.fillText(fitting(draw, text, left - 8), 0, top + at * row + row / 2);
    });
    this.axis(draw, left, top + height + 12, cell, first, last);
    if (this.cell) {
      const [rank, column] = this.cell;
      draw.strokeStyle = styled("--ink");
      draw.lineWidth = 1.5;
      draw.strokeRect(left + column * cell - 0.5, top + rank * row - 0.5, Math.max(cell, 2) + 1, row - gap + 1);
    }
    this.scale();
    this.report();
  }

  axis(draw, left, y, cell, first, last) {
    if (!first.length) return;
    draw.fillStyle = styled("--soft");
    const [right, begin, end] = [left + cell * first.length, first[0], last[last.length - 1]];
    const label = (align, text, x) => {
      draw.textAlign = align;
      draw.fillText(text, x, y);
    };
    label("left", `step ${count(begin)}`, left);
    label("right", count(end), right);
    for (const step of ticks(end, ((end - begin + 1) * 90) / (right - left))) {
      const x = left + (last.findIndex((one) => one >= step) + 0.5) * cell;
      if (x > left + 80 && x < right - 60) label("center", count(step), x);
    }
  }

  scale() {
    const draw = this.legend.getContext("2d");
    for (let x = 0; x < 160; x += 1) {
      const part = x / 159;
      const stops = this.isRelative ? AROUND[document.documentElement.dataset.shade] : SEQUENCE;
      draw.fillStyle = `rgb(${mixed(stops, part)})`;
      draw.fillRect(x, 0, 1, 8);
    }
    this.low.textContent = this.isRelative ? "half" : this.shown(this.range[0]);
    this.high.textContent = this.isRelative ? "twice" : this.shown(this.range[1]);
  }

  point(event) {
    if (!this.data) return;
    const { left, top, row, cell } = this.place();
    const column = Math.floor((event.offsetX - left) / cell);
    const rank = Math.floor((event.offsetY - top) / row);
    const isInside = column >= 0 && column < this.data.first.length && rank >= 0 && rank < this.data.ranks.length;
    this.pick(isInside ? [rank, column] : null);
  }

  key(event) {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], PageUp: [0, -20], PageDown: [0, 20] };
    if (event.key === "Escape") return this.pick(null);
    const move = moves[event.key];
    if (!move || !this.data?.first.length) return undefined;
    event.preventDefault();
    event.stopPropagation();
    const [rank, column] = this.cell ?? [0, this.data.first.length - 1 - move[1]];
    const within = (value, size) => Math.min(Math.max(value, 0), size - 1);
    return this.pick([within(rank + move[0], this.data.ranks.length), within(column + move[1], this.data.first.length)]);
  }

  pick(cell) {
    if (String(cell) === String(this.cell)) return;
    this.cell = cell;
    this.draw();
  }

  report() {
    if (!this.cell) {
      const per = this.data.per_column;
      const steps = per > 1 ? `Each cell is the mean of ${count(per)} steps.` : "Each cell is one step.";
      this.readout.textContent = this.data.ranks.length ? `${steps} Hatched: no figure.` : "No figures of ranks yet.";
      return;
    }
    const [rank, column] = this.cell;
    const { ranks, first, last, values } = this.data;
    const steps = first[column] === last[column] ? `step ${count(first[column])}` : `steps ${count(first[column])} to ${count(last[column])}`;
    const { rank: number, worker, host } = ranks[rank];
    const where = [`rank ${number}`, worker, host].filter(Boolean).join(" · ");
    this.readout.textContent = `${where} · ${steps} · ${this.shown(values[rank][column])}`;
  }

  destroy() {
    this.observer.disconnect();
  }
}

const NAMES = { step: "whole step", compute: "own work (load to optimizer)", transfer: "transfer", wait: "waiting for slower ranks", load: "waiting for samples", checkpoint: "copying for a checkpoint" };

function extent(values) {
  const known = values.flat().filter((value) => value !== null).sort((a, b) => a - b);
  // A single slow step is not to make all others look alike.
  const at = (part) => known[Math.min(known.length - 1, Math.floor(part * known.length))] ?? 0;
  return [at(0.01), at(0.99)];
}

function fitting(draw, text, room) {
  let shown = text;
  while (shown.length > 3 && draw.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
  return shown;
}

function hatch(draw) {
  const tile = document.createElement("canvas");
  tile.width = 6;
  tile.height = 6;
  const line = tile.getContext("2d");
  line.strokeStyle = styled("--rule-strong");
  line.lineWidth = 1;
  line.beginPath();
  line.moveTo(0, 6);
  line.lineTo(6, 0);
  line.stroke();
  return draw.createPattern(tile, "repeat");
}
