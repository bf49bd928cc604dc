const grid = document.querySelector("main");
const cards = [...grid.children];
const [search, only, order, count] = ["search", "only", "order", "count"].map((id) => document.getElementById(id));
const keep = {
  all: () => true,
  notes: (card) => card.dataset.notes !== "0",
  labelled: (card) => card.dataset.label === "yes",
  unlabelled: (card) => card.dataset.label === "no",
};
function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const key = order.value;
  const number = (card) => Number(card.dataset[key]);
  const sorted = key === "place" ? cards : [...cards].sort((a, b) => number(b) - number(a));
  let shown = 0;
  for (const card of sorted) {
    const text = card.textContent.toLowerCase();
    card.hidden = !(keep[only.value](card) && words.every((word) => text.includes(word)));
    shown += card.hidden ? 0 : 1;
    grid.append(card);
  }
  count.textContent = `${shown} of ${cards.length} cases`;
}
for (const control of [search, only, order]) control.addEventListener("input", show);
show();
const large = document.querySelector("dialog");
grid.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  large.querySelector("img").src = button.firstElementChild.src;
  large.querySelector("p").textContent = button.closest("figure").querySelector("b").textContent;
  large.showModal();
});
large.addEventListener("click", () => large.close());
