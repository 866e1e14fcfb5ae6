// The seek bar: the chosen word's energy over time, its span and its peak.

class Timeline {
  constructor(element, { onSeek }) {
    this.element = element;
    this.chart = element.querySelector("svg");
    this.parts = Object.fromEntries(["span", "peak", "head"].map((name) => [name, element.querySelector(`.${name}`)]));
    const seekTo = (event) => {
      const box = element.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      onSeek(this.seen.start + share * (this.seen.end - this.seen.start));
    };
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      seekTo(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) seekTo(event);
    });
    element.addEventListener("keydown", (event) => {
      const last = this.seen.numSlots - 1;
      const slots = { ArrowLeft: this.slot - 1, ArrowRight: this.slot + 1, Home: 0, End: last };
      if (!(event.key in slots) || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      onSeek(this.seen.slots[Math.min(last, Math.max(0, slots[event.key]))]);
    });
  }

  place(seconds) {
    const length = this.seen.end - this.seen.start || 1;
    return (100 * (seconds - this.seen.start)) / length;
  }

  /** The curve of a word on an input. */
  show(seen, word) {
    this.seen = seen;
    const energy = seen.energy(word);
    const most = Math.max(...energy, 1e-9);
    const at = (seconds) => (10 * this.place(seconds)).toFixed(1);
    const bars = energy.map((value, slot) => {
      const height = ((92 * value) / most).toFixed(1);
      return `M${at(seen.edges[slot])} 100v-${height}H${at(seen.edges[slot + 1])}v${height}z`;
    });
    const edges = seen.edges.slice(1, -1).map((edge) => `M${at(edge)} 0v100`);
    this.chart.replaceChildren(this.path("area", bars.join("")), this.path("edge", edges.join("")));
    const track = seen.tracks[word];
    this.parts.span.hidden = !track?.span;
    this.parts.peak.hidden = !track?.peak;
    if (track?.span) {
      this.parts.span.style.left = `${this.place(track.span[0])}%`;
      this.parts.span.style.width = `${this.place(track.span[1]) - this.place(track.span[0])}%`;
    }
    if (track?.peak) this.parts.peak.style.left = `${this.place(track.peak.seconds)}%`;
    this.element.setAttribute("aria-valuemin", seen.start.toFixed(2));
    this.element.setAttribute("aria-valuemax", seen.end.toFixed(2));
    this.energy = energy;
  }

  path(name, d) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("class", name);
    path.setAttribute("d", d);
    return path;
  }

  move(seconds) {
    const slot = this.seen.slotAt(seconds);
    this.slot = slot;
    this.parts.head.style.left = `${this.place(seconds)}%`;
    this.element.setAttribute("aria-valuenow", seconds.toFixed(2));
    this.element.setAttribute(
      "aria-valuetext",
      `${formatSeconds(seconds)}, slot ${slot + 1} of ${this.seen.numSlots}, mean heat ${this.energy[slot].toFixed(2)}`,
    );
  }
}
