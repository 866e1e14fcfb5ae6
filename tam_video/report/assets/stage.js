// One input on screen: its picture, the heat above it, the ring, the box, side by side, captions.

const CAPTION_WORDS = 3;

class Screen {
  constructor(element, seen, state, onTick) {
    Object.assign(this, { element, seen, state });
    const find = (selector) => element.querySelector(selector);
    this.video = find("video");
    this.still = find("img");
    this.panes = { source: find(".pane.source"), copy: find(".pane.copy") };
    this.marks = { ring: find(".mark"), box: find(".box") };
    this.frame = find(".frame");
    element.style.setProperty("--aspect", seen.aspect);
    this.heat = new HeatCanvas(find(".heat"), seen);
    this.clock = this.video
      ? new VideoClock(this.video, seen, onTick)
      : new StillClock(this.still, seen, onTick);
    if (this.video) this.addCaptions();
  }

  get isShown() { return !this.element.hidden; }

  /** Heat and marks of the chosen word at the clock's moment. */
  draw() {
    const { state, seen } = this;
    if (!state.report.words.length) return;
    const seconds = this.clock.seconds;
    const cells = seen.cellsAt(state.shown, seconds);
    this.heat.draw(cells, { ...state, table: state.report.colormaps[state.colormap] });
    this.placeRing(cells);
    this.placeBox(seconds);
    if (state.side) this.copyFrame();
  }

  placeRing(cells) {
    const { ring } = this.marks;
    let best = 0;
    for (let at = 1; at < cells.length; at += 1) if (cells[at] > cells[best]) best = at;
    const { numColumns, numRows, view: [left, top, right, bottom] } = this.seen;
    ring.hidden = !this.state.mark || cells[best] < 12;
    const x = left + (((best % numColumns) + 0.5) / numColumns) * (right - left);
    const y = top + ((Math.floor(best / numColumns) + 0.5) / numRows) * (bottom - top);
    ring.style.left = `${100 * x}%`;
    ring.style.top = `${100 * y}%`;
  }

  placeBox(seconds) {
    const { box } = this.marks;
    const track = this.seen.tracks[this.state.shown];
    const slot = this.seen.slotAt(seconds);
    const found = this.state.box && track?.boxes.find((row) => row[0] === slot);
    box.hidden = !found;
    if (!found) return;
    const [, x0, y0, x1, y1] = found;
    Object.assign(box.style, {
      left: `${100 * x0}%`, top: `${100 * y0}%`, width: `${100 * (x1 - x0)}%`, height: `${100 * (y1 - y0)}%`,
    });
  }

  /** The picture without heat stays left; a copy of it, on a canvas that is never read, goes right. */
  copyFrame() {
    const picture = this.video ?? this.still;
    if (!picture || !this.frame) return;
    const width = picture.videoWidth || picture.naturalWidth;
    if (!width) return;
    const height = picture.videoHeight || picture.naturalHeight;
    if (this.frame.width !== width || this.frame.height !== height) Object.assign(this.frame, { width, height });
    this.frame.getContext("2d").drawImage(picture, 0, 0);
  }

  setSideBySide(side) {
    this.panes.copy.hidden = !side;
    const home = (side ? this.panes.copy : this.panes.source).querySelector(".picture");
    home.append(this.heat.canvas, this.marks.box, this.marks.ring);
  }

  /** Words whose track is there, strongest first, as cues of the clip. */
  addCaptions() {
    const { seen, state: { report } } = this;
    this.captions = this.video.addTextTrack("captions", "Words in view", "en");
    this.captions.mode = "hidden";
    const texts = seen.slots.map((_, slot) => seen.content
      .filter((word) => seen.tracks[word].boxes.some((row) => row[0] === slot))
      .sort((a, b) => seen.tracks[b].energy[slot] - seen.tracks[a].energy[slot])
      .slice(0, CAPTION_WORDS)
      .map((word) => report.words[word].text)
      .join(" \u00b7 "));
    for (let slot = 0, from = 0; slot < texts.length; slot += 1) {
      if (texts[slot] === texts[slot + 1]) continue;
      const start = Math.max(0, seen.edges[from] - seen.offset);
      const end = Math.max(start + 0.01, seen.edges[slot + 1] - seen.offset);
      if (texts[slot]) this.captions.addCue(new VTTCue(start, end, escapeCue(texts[slot])));
      from = slot + 1;
    }
  }

  setCaptions(isOn) {
    if (this.captions) this.captions.mode = isOn ? "showing" : "hidden";
  }
}

const escapeCue = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
