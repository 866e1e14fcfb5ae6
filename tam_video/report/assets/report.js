// Ties the parts together: every change of what is chosen, and every tick of the clock, goes through here.

const report = new Report(JSON.parse(byId("report-data").textContent));
const state = new State(report);
const isToggle = ["side", "outline", "mark", "box", "captions"];
const isCheck = ["functions", "ownScale"];

const screens = report.inputs.map(
  (seen, number) => new Screen(byId(`screen-${number}`), seen, state, () => { if (number === state.input) tick(); }),
);
const screen = () => screens[state.input];

let linkTimer = null;
const keepLink = () => {
  clearTimeout(linkTimer);
  linkTimer = setTimeout(() => { if (screen().clock.isPaused) writeLink(state, screen().clock.seconds); }, 120);
};

const seek = (seconds) => screen().clock.seek(seconds);

/** Choose a word and go to a slot of it, by default to its strongest one. */
function pin(word, slot = null) {
  state.update({ word, preview: null });
  const { seen } = state;
  const peak = seen.tracks[word]?.peak;
  if (slot !== null) seek(seen.slots[slot]);
  else if (peak) seek(peak.seconds);
  byId("status").textContent = peak
    ? `${report.name(word)}: strongest ${seen.isImage ? "" : `at ${formatSeconds(peak.seconds)}, `}${peak.place}`
    : report.name(word);
  keepLink();
}

function showTab(number) {
  state.update({ input: number });
  pin(state.word);
}

/** The next or the previous of the words that are listed. */
function stepWord(step) {
  const words = state.functions ? report.words.map((_, index) => index) : state.seen.content;
  if (!words.length) return;
  const at = words.indexOf(state.word);
  pin(words[(Math.max(at, step > 0 ? -1 : 0) + step + words.length) % words.length]);
}

function stepSlot(step) {
  const { seen } = state;
  screen().clock.pause();
  seek(seen.slots[Math.min(seen.numSlots - 1, Math.max(0, seen.slotAt(screen().clock.seconds) + step))]);
}

function stepFrame(step) {
  screen().clock.pause();
  seek(screen().clock.seconds + step / (state.seen.fps || 25));
}

function togglePlay() {
  const { clock } = screen();
  if (clock.isPaused) clock.play();
  else clock.pause();
}

const timeline = new Timeline(byId("timeline"), { onSeek: seek });
const matrix = new Matrix(byId("matrix"), state, { onPick: pin, onTell: (text) => { byId("cell").textContent = text; } });
const table = new WordTable(byId("words"), state, { onPin: pin });
const answer = new Answer(state, { onPin: pin, onPreview: (word) => state.update({ preview: word }) });

/** The clock moved: draw. */
function tick() {
  const { clock } = screen();
  const { seconds } = clock;
  const { seen } = state;
  const slot = seen.slotAt(seconds);
  screen().draw();
  timeline.move(seconds);
  matrix.move(seconds);
  byId("time").textContent = formatSeconds(seconds);
  byId("slot").textContent = `slot ${slot + 1} of ${seen.numSlots}`;
  byId("slot").title = `The model saw frame${seen.frames[slot].length > 1 ? "s" : ""} ${seen.frames[slot].join(", ")} here`;
  document.body.classList.toggle("playing", !clock.isPaused);
  byId("play").setAttribute("aria-label", clock.isPaused ? "Play" : "Pause");
  if (clock.isPaused) keepLink();
}

function drawLegend() {
  const table = report.colormaps[state.colormap];
  const context = byId("legend").getContext("2d");
  const image = context.createImageData(256, 1);
  for (let level = 0; level < 256; level += 1) {
    const isShown = level >= state.threshold * 255;
    image.data.set([...table.subarray(3 * level, 3 * level + 3), isShown ? 255 : 40], 4 * level);
  }
  context.putImageData(image, 0, 0);
}

function showControls() {
  for (const name of ["opacity", "threshold"]) {
    byId(name).value = state[name];
    document.querySelector(`output[for="${name}"]`).textContent = Number(state[name]).toFixed(2);
  }
  byId("colormap").value = state.colormap;
  for (const name of isCheck) byId(name).checked = state[name];
  byId("full").textContent = state.ownScale ? "each word's own most" : matrix.most.toFixed(2);
  for (const name of isToggle) byId(name).setAttribute("aria-pressed", String(state[name]));
  drawLegend();
}

function showInput() {
  const { seen, input } = state;
  screens.forEach((each, number) => {
    if (number !== input) each.clock.pause();
    each.element.hidden = number !== input;
    byId(`tab-${number}`)?.setAttribute("aria-selected", String(number === input));
    if (byId(`tab-${number}`)) byId(`tab-${number}`).tabIndex = number === input ? 0 : -1;
  });
  const hasVideo = Boolean(screen().video);
  document.querySelector(".transport").hidden = seen.isImage;
  byId("play").disabled = !screen().clock.canPlay;
  byId("captions").hidden = !hasVideo;
  byId("mute").hidden = !seen.hasAudio;
  matrix.build();
  table.build();
}

state.onChange((changed) => {
  if (changed.has("input") || changed.has("functions")) showInput();
  if (changed.has("side")) {
    document.body.classList.toggle("side", state.side);
    for (const each of screens) each.setSideBySide(state.side);
  }
  if (changed.has("captions")) for (const each of screens) each.setCaptions(state.captions);
  if (changed.has("colormap") || changed.has("ownScale")) matrix.paint();
  if (["word", "preview", "input"].some((name) => changed.has(name))) {
    timeline.show(state.seen, state.shown);
    answer.refresh();
    matrix.mark();
    table.mark();
  }
  showControls();
  tick();
});

function followLink() {
  const link = readLink(report);
  if (!link) return false;
  state.update({ input: link.input, word: link.word, preview: null });
  seek(link.seconds ?? state.seen.tracks[link.word]?.peak?.seconds ?? state.seen.start);
  return true;
}

function setUpControls() {
  byId("play").addEventListener("click", togglePlay);
  for (const name of ["opacity", "threshold"]) {
    byId(name).addEventListener("input", (event) => state.update({ [name]: Number(event.target.value) }));
  }
  byId("colormap").addEventListener("change", (event) => state.update({ colormap: event.target.value }));
  for (const name of isCheck) byId(name).addEventListener("change", (event) => state.update({ [name]: event.target.checked }));
  byId("speed").addEventListener("change", (event) => { for (const each of screens) each.clock.setSpeed(Number(event.target.value)); });
  byId("mute").addEventListener("click", (event) => {
    const isMuted = !screen().video.muted;
    for (const each of screens) if (each.video) each.video.muted = isMuted;
    event.currentTarget.setAttribute("aria-pressed", String(isMuted));
  });
  for (const name of isToggle) byId(name).addEventListener("click", () => state.update({ [name]: !state[name] }));
  screens.forEach((each, number) => {
    const tab = byId(`tab-${number}`);
    tab?.addEventListener("click", () => showTab(number));
    tab?.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      const next = (number + step + screens.length) % screens.length;
      showTab(next);
      byId(`tab-${next}`).focus();
    });
  });
  byId("copy-link")?.addEventListener("click", async () => {
    writeLink(state, screen().clock.seconds);
    try {
      await navigator.clipboard.writeText(location.href);
      byId("copy-link").textContent = "Link copied";
    } catch {
      byId("copy-link").textContent = "Copy it from the address bar";
    }
    setTimeout(() => { byId("copy-link").textContent = "Copy link"; }, 1800);
  });
  byId("open-help")?.addEventListener("click", () => byId("help").showModal());
}

setUpTheme(byId("theme"));
setUpControls();
setUpKeys({
  " ": togglePlay,
  ArrowLeft: (event) => (event.shiftKey ? stepFrame(-1) : stepSlot(-1)),
  ArrowRight: (event) => (event.shiftKey ? stepFrame(1) : stepSlot(1)),
  "[": () => stepWord(-1),
  "]": () => stepWord(1),
  w: () => pin(state.word),
  s: () => state.update({ side: !state.side }),
  o: () => state.update({ outline: !state.outline }),
  c: () => state.update({ captions: !state.captions }),
  "?": () => byId("help")?.showModal(),
  Escape: () => pin(ALL_WORDS),
});
showInput();
showControls();
timeline.show(state.seen, state.shown);
answer.refresh();
if (!followLink()) {
  const peak = state.seen.tracks[state.word]?.peak;
  if (peak) seek(peak.seconds);
  else tick();
}
addEventListener("hashchange", followLink);
document.documentElement.dataset.ready = "true";
