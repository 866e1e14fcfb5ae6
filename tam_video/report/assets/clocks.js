// Two clocks behind one face: a video, or slots that are shown in turn. Seconds count from the source's first frame.

/** The clock of a clip; while it plays, time is that of the frame on screen. */
class VideoClock {
  constructor(video, seen, onTick) {
    Object.assign(this, { video, seen, onTick, frameSeconds: null });
    const tick = () => onTick();
    for (const event of ["seeked", "play", "pause", "ended", "loadeddata"]) video.addEventListener(event, tick);
    if (video.requestVideoFrameCallback) {
      const onFrame = (_now, frame) => {
        this.frameSeconds = frame.mediaTime;
        onTick();
        video.requestVideoFrameCallback(onFrame);
      };
      video.requestVideoFrameCallback(onFrame);
    } else {
      video.addEventListener("timeupdate", tick);
    }
  }

  get isPaused() { return this.video.paused; }

  get canPlay() { return true; }

  get seconds() {
    const isFrame = !this.video.paused && !this.video.seeking && this.frameSeconds !== null;
    const media = isFrame ? this.frameSeconds : this.video.currentTime;
    return this.clamp(media + this.seen.offset);
  }

  clamp(seconds) { return Math.min(this.seen.end, Math.max(this.seen.start, seconds)); }

  seek(seconds) {
    this.frameSeconds = null;
    this.video.currentTime = Math.max(0, this.clamp(seconds) - this.seen.offset);
    this.onTick();
  }

  play() { this.video.play().catch(() => this.onTick()); }

  pause() { this.video.pause(); }

  setSpeed(speed) { this.video.playbackRate = speed; }
}

/** Steps from slot to slot, each as long as it lasts in the source. */
class StillClock {
  constructor(picture, seen, onTick) {
    Object.assign(this, { picture, seen, onTick, now: seen.slots[0], timer: null, speed: 1 });
  }

  get isPaused() { return this.timer === null; }

  get canPlay() { return this.seen.numSlots > 1; }

  get seconds() { return this.now; }

  seek(seconds) {
    this.now = Math.min(this.seen.end, Math.max(this.seen.start, seconds));
    const { sources, numSlots } = this.seen;
    const source = sources[Math.floor((this.seen.slotAt(this.now) * sources.length) / numSlots)];
    if (source && this.picture.src !== source && sources.length > 1) this.picture.src = source;
    this.onTick();
  }

  play() {
    if (!this.canPlay) return;
    const step = () => {
      const slot = this.seen.slotAt(this.now) + 1;
      if (slot >= this.seen.numSlots) {
        this.pause();
        return;
      }
      this.seek(this.seen.slots[slot]);
      this.schedule(step);
    };
    if (this.seen.slotAt(this.now) === this.seen.numSlots - 1) this.now = this.seen.slots[0];
    this.seek(this.now);
    this.schedule(step);
  }

  schedule(step) {
    const slot = this.seen.slotAt(this.now);
    const seconds = this.seen.edges[slot + 1] - this.seen.edges[slot];
    clearTimeout(this.timer);
    this.timer = setTimeout(step, Math.max(40, (1000 * seconds) / this.speed));
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    this.onTick();
  }

  setSpeed(speed) { this.speed = speed; }
}
