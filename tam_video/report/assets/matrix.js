// Words x time: one row of bars for each word. A row is a slider, so that a keyboard can walk along it.

const AXIS_MARK_PX = 110;
const LEAST_LEVEL = 0.004;
const TALLEST_CANVAS_PX = 16000;

class Matrix {
  constructor(element, state, { onPick, onTell }) {
    Object.assign(this, { element, state, onPick, onTell, rows: [], slot: 0 });
    element.addEventListener("click", (event) => this.pick(event));
    element.addEventListener("pointermove", (event) => this.tell(event));
    element.addEventListener("pointerleave", () => onTell(""));
    element.addEventListener("keydown", (event) => this.walk(event));
    element.addEventListener("focusin", (event) => {
      const row = this.rowOf(event.target);
      if (row && event.target === row.strip) this.tellCell(row, this.slot);
    });
    new ResizeObserver(() => {
      if (element.clientWidth === this.width) return;
      this.paint();
      this.markAxis();
    }).observe(element);
  }

  /** Make the rows of an input anew. */
  build() {
    const { report, seen, functions } = this.state;
    const words = functions ? report.words.map((_, index) => index) : seen.content;
    this.slot = 0;
    this.most = Math.max(...words.flatMap((word) => seen.tracks[word].energy), 1e-9);
    this.rows = words.map((word, place) => {
      const strip = make("div", {
        class: "strip", role: "slider", tabindex: place ? -1 : 0, "aria-label": `${report.name(word)} over time`,
        "aria-valuemin": 1, "aria-valuemax": seen.numSlots,
      });
      const name = make("span", { class: "name", dir: "auto", title: report.name(word), "aria-hidden": "true" }, report.name(word));
      const element = make("div", { class: "row" }, name, strip);
      return { word, strip, element };
    });
    this.head = make("span", { class: "head" });
    this.axis = make("div");
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.element.replaceChildren(
      make("div", { class: "rows" }, ...this.rows.map((row) => row.element), make("div", { class: "cover" }, this.canvas, this.head)),
      make("div", { class: "axis", "aria-hidden": "true" }, this.axis),
    );
    this.paint();
    this.markAxis();
    this.mark();
  }

  /** Times under the rows, as many as fit. */
  markAxis() {
    const { start, end, isImage } = this.state.seen;
    const count = isImage ? 0 : Math.max(2, Math.floor(this.axis.clientWidth / AXIS_MARK_PX));
    this.axis.replaceChildren(...Array.from({ length: count }, (_, place) => {
      const share = place / (count - 1);
      const mark = make("span", {}, formatSeconds(start + share * (end - start)));
      mark.style.left = `${100 * share}%`;
      return mark;
    }));
  }

  /** Bars: as high as the mean heat, in the colour of it, on a common scale or the word's own. */
  paint() {
    const { seen, colormap, report } = this.state;
    const table = report.colormaps[colormap];
    const { canvas } = this;
    const { clientWidth, clientHeight } = canvas;
    const density = Math.min(window.devicePixelRatio || 1, TALLEST_CANVAS_PX / Math.max(clientHeight, 1));
    this.width = this.element.clientWidth;
    Object.assign(canvas, { width: clientWidth * density, height: clientHeight * density });
    const context = canvas.getContext("2d");
    const across = (seconds) => Math.round(((seconds - seen.start) / (seen.end - seen.start || 1)) * canvas.width);
    const pitch = canvas.height / this.rows.length;
    this.rows.forEach(({ word }, place) => {
      const most = this.fullHeight(word);
      seen.tracks[word].energy.forEach((energy, slot) => {
        const level = energy / most;
        if (level < LEAST_LEVEL) return;
        const [from, to] = [across(seen.edges[slot]), across(seen.edges[slot + 1])];
        const color = 3 * Math.round(255 * level);
        context.fillStyle = `rgb(${table[color]} ${table[color + 1]} ${table[color + 2]})`;
        const height = Math.max(density, level * (pitch - 4 * density));
        const gap = to - from > 4 ? density : 0;
        context.fillRect(from, (place + 1) * pitch - density - height, Math.max(1, to - from - gap), height);
      });
    });
  }

  /** Mean heat that fills the row: the most of all listed words, or of the word itself. */
  fullHeight(word) {
    return this.state.ownScale ? Math.max(...this.state.seen.tracks[word].energy, 1e-9) : this.most;
  }

  /** Show which word is chosen and where the clock is. */
  mark() {
    for (const row of this.rows) {
      row.element.classList.toggle("current", row.word === this.state.shown);
      this.setValue(row, this.slot);
      if (row.word === this.state.word) this.reveal(row.element);
    }
  }

  /** Scroll the rows, not the page, until one is seen. */
  reveal({ offsetTop, offsetHeight }) {
    const { scrollTop, clientHeight } = this.element;
    if (offsetTop < scrollTop) this.element.scrollTop = offsetTop;
    const hidden = offsetTop + offsetHeight + this.axis.offsetHeight - scrollTop - clientHeight;
    if (hidden > 0) this.element.scrollTop = scrollTop + hidden;
  }

  move(seconds) {
    const { seen } = this.state;
    if (!this.head) return;
    this.head.style.left = `${(100 * (seconds - seen.start)) / (seen.end - seen.start || 1)}%`;
    const slot = seen.slotAt(seconds);
    if (slot === this.slot) return;
    this.slot = slot;
    for (const row of this.rows) this.setValue(row, slot);
  }

  setValue(row, slot) {
    row.strip.setAttribute("aria-valuenow", slot + 1);
    row.strip.setAttribute("aria-valuetext", this.describe(row.word, slot));
  }

  describe(word, slot) {
    const { seen } = this.state;
    const energy = seen.tracks[word].energy[slot].toFixed(3);
    if (seen.isImage) return `mean heat ${energy}`;
    return `slot ${slot + 1}, ${formatSeconds(seen.edges[slot])} to ${formatSeconds(seen.edges[slot + 1])}, mean heat ${energy}`;
  }

  rowOf(target) {
    const element = target.closest?.(".row");
    return this.rows.find((row) => row.element === element);
  }

  slotUnder(row, event) {
    const box = row.strip.getBoundingClientRect();
    const { seen } = this.state;
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return seen.slotAt(seen.start + share * (seen.end - seen.start));
  }

  pick(event) {
    const row = this.rowOf(event.target);
    if (!row) return;
    const slot = event.target.closest(".strip") ? this.slotUnder(row, event) : null;
    this.onPick(row.word, slot);
    if (slot !== null) this.tellCell(row, slot);
  }

  tell(event) {
    const row = this.rowOf(event.target);
    if (row && event.target.closest(".strip")) this.tellCell(row, this.slotUnder(row, event));
    else this.onTell("");
  }

  tellCell(row, slot) {
    this.onTell(`${this.state.report.name(row.word)}: ${this.describe(row.word, slot)}`);
  }

  /** Left and right along time, up and down between words, Enter pins. */
  walk(event) {
    const row = this.rowOf(event.target);
    const last = this.state.seen.numSlots - 1;
    const at = this.rows.indexOf(row);
    const slots = { ArrowLeft: this.slot - 1, ArrowRight: this.slot + 1, Home: 0, End: last, Enter: this.slot };
    const other = { ArrowUp: at - 1, ArrowDown: at + 1 }[event.key];
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in slots) {
      this.onPick(row.word, Math.min(last, Math.max(0, slots[event.key])));
      this.tellCell(row, this.slot);
    } else if (this.rows[other]) {
      row.strip.tabIndex = -1;
      this.rows[other].strip.tabIndex = 0;
      this.rows[other].strip.focus();
    } else if (other === undefined) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
