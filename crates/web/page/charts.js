// Curves over steps, samples, hours or the time of day, by uPlot: the mean of each point with its extremes behind it.

import { h, s, count, number, span, percent, moment, styled, oncePerFrame, NONE } from "./dom.js";

/** What can be on the x axis. */
export const AXES = {
  step: { label: "step", shown: (value) => `step ${count(Math.round(value))}`, tick: short },
  samples: { label: "samples", shown: (value) => `${count(Math.round(value))} samples`, tick: short },
  hours: { label: "training time", shown: (value) => span(value * 3600), tick: (value) => span(value * 3600) },
};

const UNITS = { s: (value) => (value === 0 ? "0" : span(value)), ratio: percent };
/** Units as an axis has them, where room is short. */
const TICKS = { s: (value) => (value === 0 ? "0" : `${+value.toPrecision(3)} s`), ratio: (value) => `${Math.round(100 * value)} %` };

/** The time of day on an axis, with the day where it begins. */
function clock(seconds) {
  const time = new Date(seconds * 1000);
  const [hour, minute, second] = [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, "0"));
  if (hour === "00" && minute === "00") return time.toLocaleDateString("en-CA").slice(5);
  return second === "00" ? `${hour}:${minute}` : `${hour}:${minute}:${second}`;
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(4)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(4)}k`;
  if (size >= 1e3) return count(value);
  return size !== 0 && size < 1e-3 ? value.toExponential().replace(/(\.\d\d)\d*/, "$1") : String(+value.toPrecision(6));
}

/** Means that follow the curve with a memory of so many points; gaps stay gaps. */
function smooth(values, weight) {
  let sum = 0;
  let norm = 0;
  return values.map((value) => {
    if (value === null || value === undefined) return null;
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}

function faded(colour, alpha) {
  return `color-mix(in srgb, ${colour} ${Math.round(100 * alpha)}%, transparent)`;
}

/**
 * A plot: its title, its curves and their values under the cursor.
 *
 * `spec` is `{ title, unit, help, lines: [{ name, label, colour, dash }], isLog, isStacked, guide, isClock, range }`;
 * `view` is what all plots of the page share: `{ x, smoothing, marks, range, zoom }`.
 */
export class Plot {
  constructor(spec, view) {
    this.spec = { ...spec };
    this.view = view;
    this.hidden = new Set();
    this.readout = h("span", { class: "at" });
    this.values = new Map();
    this.legend = h("div", { class: "legend" }, spec.lines.map((line) => this.key(line)));
    this.box = h("div", { class: "plot", role: "img", "aria-label": spec.title });
    const log = h(
      "button",
      { class: "small", "aria-pressed": String(Boolean(spec.isLog)), title: "Logarithmic axis", click: () => this.toggleLog(log) },
      "log",
    );
    this.element = h(
      "figure",
      { class: spec.isWide ? "chart wide" : "chart" },
      h(
        "figcaption",
        { title: spec.help },
        h("h3", {}, spec.title),
        spec.unit && !UNITS[spec.unit] ? h("span", { class: "unit" }, spec.unit) : null,
        this.readout,
        spec.isStacked || spec.unit === "ratio" ? null : log,
      ),
      this.legend,
      this.box,
    );
    this.resize = oncePerFrame(() => this.uplot?.setSize(this.size()));
    this.observer = new ResizeObserver(this.resize);
    this.observer.observe(this.box);
  }

  key(line) {
    const value = h("output", {}, NONE);
    this.values.set(line.name, value);
    const swatch = s(
      "svg",
      { class: "swatch", viewBox: "0 0 16 8", "aria-hidden": "true" },
      this.spec.isStacked
        ? s("rect", { width: 16, height: 8, fill: `var(${line.colour})` })
        : s("line", { x1: 0, x2: 16, y1: 4, y2: 4, stroke: `var(${line.colour})`, "stroke-width": 2.5, "stroke-dasharray": line.dash ? "4 3" : null }),
    );
    const toggle = () => {
      if (!this.hidden.delete(line.name)) this.hidden.add(line.name);
      button.setAttribute("aria-pressed", String(!this.hidden.has(line.name)));
      this.draw();
    };
    const button = h("button", { class: "key", "aria-pressed": "true", title: `Show or hide ${line.label}`, click: toggle }, swatch, line.label, value);
    return button;
  }

  toggleLog(button) {
    this.spec.isLog = !this.spec.isLog;
    button.setAttribute("aria-pressed", String(this.spec.isLog));
    this.draw();
  }

  size() {
    return { width: Math.max(120, this.box.clientWidth), height: Math.max(120, this.box.clientHeight) };
  }

  /** Takes figures in: `{ xs, series: { name: { mean, min, max } } }`, and draws them. */
  set(data) {
    this.data = data;
    this.draw();
  }

  draw() {
    if (!this.data || !this.element.isConnected) return;
    const { columns, series, bands, owners } = this.spec.isStacked ? this.stacked() : this.lines();
    this.owners = owners;
    const shape = JSON.stringify([series, bands, this.spec.isLog, document.documentElement.dataset.theme, this.view.x]);
    const table = [this.data.xs, ...columns];
    if (this.uplot && shape === this.shape) {
      this.uplot.setData(table);
    } else {
      this.uplot?.destroy();
      this.shape = shape;
      this.uplot = new uPlot(this.options(series, bands), table, this.box);
    }
    this.show(this.uplot.cursor.idx);
  }

  /** Columns, series and bands of curves: extremes, then what is behind, then the curves on top. */
  lines() {
    const [columns, series, bands, owners] = [[], [], [], []];
    const add = (values, options, owner) => {
      columns.push(this.spec.isLog ? values.map((value) => (value > 0 ? value : null)) : values);
      series.push(options);
      owners.push(owner);
    };
    const shown = this.spec.lines.filter((line) => !this.hidden.has(line.name) && this.data.series[line.name]);
    const isSmooth = this.view.smoothing > 0 && !this.spec.isClock && !this.spec.isExact;
    for (const line of shown) {
      const { min, max } = this.data.series[line.name];
      const colour = styled(line.colour);
      if (min && !line.dash) {
        bands.push({ series: [series.length + 1, series.length + 2], fill: faded(colour, 0.16) });
        add(max, { auto: false, width: 0, points: { show: false } }, null);
        add(min, { auto: false, width: 0, points: { show: false } }, null);
      }
    }
    if (isSmooth) {
      for (const line of shown.filter((line) => !line.dash)) {
        const raw = this.data.series[line.name].mean;
        add(raw, { stroke: faded(styled(line.colour), 0.3), width: 1, points: { show: false } }, null);
      }
    }
    for (const line of shown) {
      const { mean } = this.data.series[line.name];
      const values = isSmooth && !line.dash ? smooth(mean, this.view.smoothing) : mean;
      const few = this.data.xs.length < 40;
      const options = { stroke: styled(line.colour), width: 1.5, spanGaps: Boolean(this.spec.spans), dash: line.dash, points: { show: few, size: 4, fill: styled(line.colour) } };
      add(values, options, line.name);
    }
    return { columns, series, bands, owners };
  }

  /** Columns, series and bands of areas on top of each other, the last line's on top. */
  stacked() {
    const shown = this.spec.lines.filter((line) => !this.hidden.has(line.name) && this.data.series[line.name]);
    let below = this.data.xs.map(() => 0);
    const layers = shown.map((line) => {
      const { mean } = this.data.series[line.name];
      below = below.map((sum, at) => sum + (mean[at] ?? 0));
      return { line, values: below };
    });
    // A step without any is a gap and not zero.
    const isKnown = this.data.xs.map((_, at) => shown.some((line) => this.data.series[line.name].mean[at] !== null));
    layers.forEach((layer) => (layer.values = layer.values.map((value, at) => (isKnown[at] ? value : null))));
    layers.reverse();
    this.most = usual(layers[0]?.values ?? []);
    const series = layers.map(({ line }) => ({
      stroke: styled(line.colour),
      width: 0.5,
      fill: styled(line.colour),
      points: { show: false },
    }));
    const bands = layers.slice(1).map((_, at) => ({ series: [at + 1, at + 2] }));
    return { columns: layers.map(({ values }) => values), series, bands, owners: layers.map(() => null) };
  }

  options(series, bands) {
    const { isClock, isLog, unit, isStacked, isFromZero, range } = this.spec;
    const soft = styled("--soft");
    const axis = { stroke: soft, font: `11px ${styled("--face")}`, ticks: { show: false }, grid: { stroke: styled("--rule"), width: 1 } };
    const tick = isClock ? clock : AXES[this.view.x].tick;
    const value = TICKS[unit] ?? short;
    return {
      ...this.size(),
      padding: [8, 18, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: Boolean(isClock) },
        y: { distr: isLog ? 3 : 1, range: range ?? (isLog ? undefined : (_, low, high) => spread(low, isStacked ? Math.min(high, this.most) : high, isStacked || isFromZero)) },
      },
      axes: [
        { ...axis, size: 26, gap: 4, space: 64, values: (_, values) => values.map((one) => (one === null ? "" : tick(one))) },
        { ...axis, size: 50, gap: 6, space: 30, values: (_, values) => values.map((one) => (one === null ? "" : value(one))) },
      ],
      series: [{}, ...series],
      bands,
      cursor: {
        sync: isClock ? undefined : { key: "x", scales: ["x", null], setSeries: false },
        drag: { x: !isClock, y: false, setScale: false },
        y: false,
        points: { size: 6 },
        bind: { dblclick: () => () => isClock || this.view.zoom(null) },
      },
      hooks: {
        setCursor: [(uplot) => this.show(uplot.cursor.idx)],
        setSelect: [(uplot) => this.select(uplot)],
        drawAxes: [(uplot) => this.marks(uplot)],
      },
    };
  }

  select(uplot) {
    const { left, width } = uplot.select;
    if (width < 4) return;
    uplot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.view.zoom([uplot.posToVal(left, "x"), uplot.posToVal(left + width, "x")]);
  }

  /** Lines where a generation begins, and one for what guessing gives. */
  marks(uplot) {
    const { ctx, bbox } = uplot;
    const line = (x1, y1, x2, y2, colour, dash) => {
      ctx.strokeStyle = colour;
      ctx.setLineDash(dash.map((one) => one * devicePixelRatio));
      ctx.lineWidth = devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(x1, y1);
      ctx.lineTo(x2, y2);
      ctx.stroke();
    };
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    if (!this.spec.isClock) {
      for (const at of this.view.marks(this.data)) {
        const x = Math.round(uplot.valToPos(at, "x", true));
        line(x, bbox.top, x, bbox.top + bbox.height, styled("--mark"), [2, 3]);
      }
    }
    if (this.spec.guide) {
      const y = Math.round(uplot.valToPos(this.spec.guide.value, "y", true));
      line(bbox.left, y, bbox.left + bbox.width, y, styled("--faint"), [6, 4]);
      ctx.fillStyle = styled("--soft");
      ctx.font = `${11 * devicePixelRatio}px ${styled("--face")}`;
      ctx.textAlign = "right";
      ctx.textBaseline = "top";
      ctx.fillText(this.spec.guide.label, bbox.left + bbox.width - 4, y + 4 * devicePixelRatio);
    }
    ctx.restore();
  }

  /** Writes the values at a point, or the newest ones. */
  show(index) {
    const isAt = index !== null && index !== undefined;
    const at = isAt ? index : this.data.xs.length - 1;
    const x = this.data.xs[at];
    this.readout.textContent = !isAt || x === undefined ? "" : this.spec.isClock ? moment(x * 1000) : AXES[this.view.x].shown(x);
    const shown = UNITS[this.spec.unit] ?? number;
    for (const [name, output] of this.values) {
      const mean = this.data.series[name]?.mean;
      // Without a cursor the newest that is known: figures of a step may come one after the other.
      const value = isAt ? mean?.[at] : mean?.findLast((one) => one !== null && one !== undefined);
      output.textContent = value === null || value === undefined ? NONE : shown(value);
    }
  }

  destroy() {
    this.observer.disconnect();
    this.uplot?.destroy();
  }
}

/** The most that is shown of areas: a few far outliers, which reach the top, are not to make all others look flat. */
function usual(values) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  return 2 * known[Math.floor(0.98 * known.length)] || Infinity;
}

/** Room around the values; areas begin at zero. */
function spread(low, high, isFromZero) {
  if (low === null || low === undefined) return [0, 1];
  if (isFromZero) return [0, high * 1.05 || 1];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.06 || 1;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}
