// The page: which view is shown, and what is the same for all of them.

import { h } from "./dom.js";
import { listView } from "./list.js";
import { RunView } from "./run.js";
import { CompareView } from "./compare.js";

const STORE = "fratmae";
const place = document.getElementById("view");
const bar = document.getElementById("bar");
const help = document.getElementById("help");

/** What a reader chose, kept by the browser. */
const chosen = { x: "step", smoothing: 0, theme: "auto", ...JSON.parse(localStorage.getItem(STORE) ?? "{}") };

function keep(choice) {
  Object.assign(chosen, choice);
  localStorage.setItem(STORE, JSON.stringify(chosen));
}

let shown = null;

const dark = matchMedia("(prefers-color-scheme: dark)");

function paint() {
  const root = document.documentElement;
  root.dataset.theme = chosen.theme;
  root.dataset.shade = chosen.theme === "auto" ? (dark.matches ? "dark" : "light") : chosen.theme;
  shown?.redraw?.();
}

function turn() {
  const order = ["auto", "light", "dark"];
  keep({ theme: order[(order.indexOf(chosen.theme) + 1) % order.length] });
  themeButton.textContent = chosen.theme;
  paint();
}

const themeButton = h("button", { class: "small", title: "Light, dark, or as the system has it (d)", click: turn }, chosen.theme);
const tools = h("div", { class: "tools" });

function frame() {
  bar.replaceChildren(
    h("a", { class: "mark", href: "#/" }, "fratmae"),
    h("nav", { id: "where" }),
    tools,
    themeButton,
    h("button", { class: "small", title: "Keys (?)", click: () => help.showModal() }, "?"),
  );
  const keys = [
    ["s · m · h", "steps, samples or training hours on the x axis"],
    ["[ · ]", "less or more smoothing"],
    ["drag · double click or Esc", "zoom in on a range, show all"],
    ["← →", "in a zoomed range: earlier, later; in the map of ranks: from cell to cell"],
    ["d", "light, dark, or as the system has it"],
    ["l", "list of runs"],
    ["?", "this list"],
  ];
  help.replaceChildren(
    h("h2", {}, "Keys"),
    h("dl", {}, keys.flatMap(([key, text]) => [h("dt", {}, key), h("dd", {}, text)])),
    h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
  );
}

async function route() {
  shown?.destroy?.();
  shown = null;
  tools.replaceChildren();
  place.className = "";
  const [, kind, ...names] = location.hash.split("/").map(decodeURIComponent);
  const context = { place, tools, where: document.getElementById("where"), chosen, keep };
  try {
    if (kind === "run") shown = new RunView(names[0], context);
    else if (kind === "compare") shown = new CompareView(names, context);
    else shown = await listView(context);
    await shown.ready;
  } catch (error) {
    place.replaceChildren(h("p", { class: "empty error", role: "alert" }, error.message));
  }
}

document.addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.key === "?") help.showModal();
  else if (event.key === "d") turn();
  else if (event.key === "l") location.hash = "#/";
  else shown?.key?.(event);
});

dark.addEventListener("change", paint);
addEventListener("hashchange", route);
frame();
paint();
route();
