// Which curves a run has, and the choices that all of them share: the x axis, smoothing, and a range to look at.

import { h } from "./dom.js";
import { AXES } from "./charts.js";

const line = (name, label, colour, dash) => ({ name, label, colour, dash });

/** Figures that belong together; what a run has beyond them gets a plot of its own. */
const GROUPS = [
  { title: "Loss", lines: [line("loss", "total", "--c1"), line("reconstruction", "reconstruction", "--c2")] },
  {
    title: "Reconstruction error",
    unit: "MSE",
    help: "Mean squared error on masked patches, in squared window units; dashed: what guessing the mean gives",
    lines: [line("pet_reconstruction", "PET", "--c1"), line("ct_reconstruction", "CT", "--c2"), line("baseline_pet", "mean of PET", "--c1", [4, 4]), line("baseline_ct", "mean of CT", "--c2", [4, 4])],
  },
  { title: "Contrastive loss", unit: "nats", help: "InfoNCE between PET and text", lines: [line("contrastive", "InfoNCE", "--c3")] },
  { title: "Throughput", unit: "samples/s", lines: [line("samples_per_second", "samples/s", "--c4")], isFromZero: true },
  {
    title: "Time of a step",
    unit: "s",
    help: "By phase, as one worker measured it",
    isStacked: true,
    lines: ["load", "forward", "backward", "gather", "reduce", "optimizer", "checkpoint"].map((name) => line(`seconds_${name}`, name, `--p-${name}`)),
  },
  { title: "Gradient norm", help: "Before clipping", isLog: true, lines: [line("gradient_norm", "norm", "--c5")] },
  { title: "Learning rate", isExact: true, lines: [line("learning_rate", "rate", "--c6")] },
];
/** Columns of the history that are no figure to look at, or are in another one. */
const NO_CURVE = new Set(["step", "generation", "samples", "hours", "seconds", "unix_ms", "mean_baseline"]);

/** The plots of a run that has these figures, with a batch of so many samples. */
export function plotsOf(names, batch) {
  const known = new Set(names);
  const plots = GROUPS.map((group) => ({ ...group, lines: group.lines.filter(({ name }) => known.has(name)) })).filter(({ lines }) => lines.length);
  const placed = new Set(GROUPS.flatMap(({ lines }) => lines.map(({ name }) => name)));
  const rest = names.filter((name) => !placed.has(name) && !NO_CURVE.has(name) && !name.startsWith("seconds_"));
  plots.push(...rest.map((name) => ({ title: name.replaceAll("_", " "), lines: [line(name, name.replaceAll("_", " "), "--c1")] })));
  const contrastive = plots.find(({ title }) => title === "Contrastive loss");
  if (contrastive && batch > 1) contrastive.guide = { value: Math.log(batch), label: `chance: ln ${batch}` };
  return plots;
}

export const namesOf = (plots) => [...new Set(plots.flatMap(({ lines }) => lines.map(({ name }) => name)))];

/** The buttons for the x axis and for smoothing, and the keys that do the same. */
export class Choices {
  constructor(chosen, keep, changed) {
    Object.assign(this, { chosen, keep, changed });
    this.buttons = Object.keys(AXES).map((name) => h("button", { class: "small", "aria-pressed": String(name === chosen.x), title: `${AXES[name].label} on the x axis (${KEYS[name]})`, click: () => this.axis(name) }, name));
    this.slider = h("input", { type: "range", min: 0, max: 20, step: 1, value: steps(chosen.smoothing), "aria-label": "Smoothing", input: () => this.smooth(Number(this.slider.value)) });
    this.element = h("div", { class: "choices" }, h("div", { class: "group", role: "group", "aria-label": "x axis" }, this.buttons), h("label", { class: "smoothing", title: "Smoothing ([ and ])" }, "smooth", this.slider));
  }

  axis(name) {
    this.keep({ x: name });
    this.buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === name)));
    this.changed();
  }

  smooth(step) {
    const at = Math.min(20, Math.max(0, step));
    this.slider.value = at;
    this.keep({ smoothing: at === 0 ? 0 : 1 - 0.5 * 0.78 ** at });
    this.changed();
  }

  key(event) {
    const axis = Object.keys(KEYS).find((name) => KEYS[name] === event.key);
    if (axis) this.axis(axis);
    else if (event.key === "[") this.smooth(Number(this.slider.value) - 2);
    else if (event.key === "]") this.smooth(Number(this.slider.value) + 2);
    else return false;
    return true;
  }
}

const KEYS = { step: "s", samples: "m", hours: "h" };

const steps = (smoothing) => (smoothing === 0 ? 0 : Math.round(Math.log((1 - smoothing) / 0.5) / Math.log(0.78)));
