// A long video: the strip of all its time, the chosen window, the film.

const data = JSON.parse(byId("long-data").textContent);
const film = byId("film");
const rows = [...document.querySelectorAll("tr[data-window]")];
const percent = (seconds) => `${(100 * seconds) / (data.duration || 1)}%`;
let chosen = -1;

function clock(seconds, tenths = false) {
  const whole = Math.floor(seconds + 1e-6);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  const end = tenths ? `.${Math.floor((seconds - whole + 1e-6) * 10)}` : "";
  return (hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`) + end;
}

function drawCurve(motion) {
  const most = Math.max(...motion.shares, 1e-6);
  const bins = motion.shares.length;
  // A root: a small thing far away is seen beside a large one close by.
  const top = (share) => (100 * (1 - Math.sqrt(share / most))).toFixed(1);
  const steps = motion.shares.map((share, bin) => `L${bin} ${top(share)}L${bin + 1} ${top(share)}`);
  const svg = byId("curve");
  const at = (seconds) => (seconds - motion.start_seconds) / motion.bin_seconds;
  svg.setAttribute("viewBox", `${at(0)} 0 ${data.duration / motion.bin_seconds} 100`);
  svg.firstElementChild.setAttribute("d", `M0 100${steps.join("")}L${bins} 100Z`);
}

function drawStrip() {
  if (data.gate) {
    drawCurve(data.gate.motion);
    for (const span of data.gate.spans) {
      const mark = make("i");
      mark.style.left = percent(span.start_seconds);
      mark.style.width = percent(span.end_seconds - span.start_seconds);
      byId("spans").append(mark);
    }
  }
  for (const [index, row] of data.windows.entries()) {
    const label = `${clock(row.start_seconds)} to ${clock(row.end_seconds)}: ${row.error ? "failed" : row.answer}`;
    const block = make("button", { type: "button", title: label, "aria-label": label, "aria-pressed": "false", class: row.error ? "failed" : null });
    block.style.left = percent(row.start_seconds);
    block.style.width = percent(row.end_seconds - row.start_seconds);
    block.addEventListener("click", () => choose(index, true));
    byId("blocks").append(block);
  }
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  const step = steps.find((each) => data.duration / each <= 9) || 604800;
  for (let at = 0; at < data.duration - step / 3; at += step) {
    const tick = make("span", {}, clock(at));
    tick.style.left = percent(at);
    byId("ticks").append(tick);
  }
}

/** Show a window; `seeks` moves the film there too. */
function choose(index, seeks) {
  const row = data.windows[index];
  if (!row) return;
  if (index !== chosen) {
    chosen = index;
    byId("place").textContent = `${clock(row.start_seconds)} to ${clock(row.end_seconds)}`;
    byId("answer").textContent = row.error ? `failed: ${row.error.message}` : row.answer || "(the answer is empty)";
    byId("words").replaceChildren(...row.words.filter((word) => word.span_seconds).map((word) =>
      make("li", {}, word.text, make("span", { class: "num" }, `${clock(word.span_seconds[0], true)} - ${clock(word.span_seconds[1], true)}`))));
    byId("open").hidden = !row.run;
    if (row.run) byId("open").href = `${row.run}/report.html`;
    for (const [place, block] of [...byId("blocks").children].entries()) block.setAttribute("aria-pressed", String(place === index));
    for (const each of rows) each.setAttribute("aria-current", String(Number(each.dataset.window) === index));
    byId("before").disabled = index === 0;
    byId("after").disabled = index === data.windows.length - 1;
  }
  const shot = data.film.find((each) => each.window === row.index);
  if (seeks && film && shot) film.currentTime = shot.start_seconds + 0.01;
  if (seeks || !film) byId("head").style.left = percent(row.start_seconds);
}

/** The window and the moment of the source that the film shows. */
function follow() {
  const now = film.currentTime;
  const shot = data.film.find((each) => now < each.end_seconds) || data.film[data.film.length - 1];
  if (!shot) return;
  byId("head").style.left = percent(shot.source_seconds + Math.max(0, now - shot.start_seconds));
  const index = data.windows.findIndex((row) => row.index === shot.window);
  if (index >= 0) choose(index, false);
}

function find() {
  const wanted = byId("find").value.trim().toLowerCase().split(/\s+/);
  for (const row of rows) row.hidden = !wanted.every((part) => row.textContent.toLowerCase().includes(part));
  const shown = rows.filter((row) => !row.hidden).length;
  byId("count").textContent = shown === rows.length ? `${shown} windows` : `${shown} of ${rows.length} windows`;
}

function toggleKeys() {
  const box = byId("keys");
  box.hidden = !box.hidden;
  byId("help").setAttribute("aria-expanded", String(!box.hidden));
}

const actions = {
  "[": () => choose(chosen - 1, true),
  "]": () => choose(chosen + 1, true),
  " ": () => film && (film.paused ? film.play() : film.pause()),
  Enter: () => byId("open") && !byId("open").hidden && byId("open").click(),
  "/": () => byId("find")?.focus(),
  "?": toggleKeys,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target.matches("input, select, video");
  const isPressed = [" ", "Enter"].includes(event.key) && event.target.matches("button, a");
  if (isTyping || isPressed || !actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
});

setUpTheme(byId("theme"));
byId("help").addEventListener("click", toggleKeys);
drawStrip();
if (data.windows.length) {
  for (const row of rows) row.querySelector("button").addEventListener("click", () => choose(Number(row.dataset.window), true));
  byId("before").addEventListener("click", actions["["]);
  byId("after").addEventListener("click", actions["]"]);
  byId("find").addEventListener("input", find);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  film?.addEventListener("timeupdate", follow);
  choose(0, !film);
}
document.documentElement.dataset.ready = "true";
