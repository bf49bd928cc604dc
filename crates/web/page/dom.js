// Elements, numbers and times as the page writes them.

/** Makes an element: attributes, listeners as functions, then children. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The value of a colour or length of the style sheet. */
export function styled(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export const NONE = "–";
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count: 16,150. */
export const count = (value) => (Number.isFinite(value) ? grouped.format(value) : NONE);

/** A count of things: 1 step, 14 steps. */
export const several = (value, thing) => `${count(value)} ${thing}${value === 1 ? "" : "s"}`;

/** A measured number: enough digits to compare, no more. */
export function number(value, digits = 4) {
  if (!Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(Math.max(1, digits - 2));
  return value.toPrecision(Math.max(digits, size >= 1 ? String(Math.trunc(size)).length : 1));
}

export const percent = (ratio) => (Number.isFinite(ratio) ? `${(100 * ratio).toFixed(ratio < 0.0995 ? 2 : 1)} %` : NONE);

/** A length of time: 12 ms, 3.2 s, 4 min 10 s, 5 h 03 min, 2 d 4 h. */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return NONE;
  if (seconds < 5e-7) return "0 s";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 0.9995) return `${(seconds * 1e3).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** How long ago something was, by this host's clock. */
export const ago = (unixMs) => (unixMs ? `${span(Math.max(0, Math.round((Date.now() - unixMs) / 1000)))} ago` : NONE);

/** A moment, in local time; with its day if that is not today. */
export function moment(unixMs) {
  if (!unixMs) return NONE;
  const time = new Date(unixMs);
  const clock = time.toLocaleTimeString("en-GB");
  return time.toDateString() === new Date().toDateString() ? clock : `${time.toLocaleDateString("en-CA")} ${clock}`;
}

/** Distances of ticks that read well: of counts, and of seconds. */
const ROUND = [1, 2, 5];
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];

/** Round values from 0 to `most` that are `least` apart at least, with ends left out. */
export function ticks(most, least, isTime = false) {
  const tens = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  const choices = isTime ? SECONDS : [...ROUND, 10].map((one) => one * tens);
  const days = 86400 * Math.ceil(least / 86400);
  const apart = choices.find((one) => one >= least) ?? days;
  return Array.from({ length: Math.ceil(most / apart) - 1 }, (_, at) => (at + 1) * apart).filter((value) => value < most);
}

/** What is asked for more often than it can be done happens once a frame. */
export function oncePerFrame(work) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      work();
    });
  };
}
