// Filter and sort the cards.

const runs = [...document.querySelectorAll(".run")];
const number = new Set(["order", "seconds", "words", "made"]);

function refresh() {
  const wanted = byId("find").value.trim().toLowerCase().split(/\s+/);
  const model = byId("model").value;
  const [, sign, column] = byId("sort").value.match(/^(-?)(.+)$/);
  const value = (run) => (number.has(column) ? Number(run.dataset[column]) : run.dataset[column]);
  const compare = (a, b) => (number.has(column) ? value(a) - value(b) : value(a).localeCompare(value(b)));
  runs.sort((a, b) => (sign ? -1 : 1) * compare(a, b) || a.dataset.order - b.dataset.order);
  byId("runs").append(...runs);
  let shown = 0;
  for (const run of runs) {
    const text = run.textContent.toLowerCase();
    run.hidden = !(wanted.every((part) => text.includes(part)) && (!model || run.dataset.model === model));
    shown += run.hidden ? 0 : 1;
  }
  byId("count").textContent = shown === runs.length ? `${runs.length} runs` : `${shown} of ${runs.length} runs`;
  byId("none").hidden = shown > 0;
}

setUpTheme(byId("theme"));
for (const id of ["find", "model", "sort"]) byId(id).addEventListener("input", refresh);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
refresh();
document.documentElement.dataset.ready = "true";
