// The data of the page as typed arrays, and the map of a word at a moment.

const ALL_WORDS = -1;

function decodeBytes(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
  return bytes;
}

/** One input: its clock, its slots, and the maps of all words on it. */
class Seen {
  constructor(row, words) {
    Object.assign(this, row);
    [this.numSlots, this.numRows, this.numColumns] = row.grid;
    this.numCells = this.numRows * this.numColumns;
    this.bytes = decodeBytes(row.maps);
    this.start = row.edges[0];
    this.end = row.edges[row.edges.length - 1];
    this.content = words.flatMap((word, index) => (word.isContent ? [index] : []));
    if (!this.content.length) this.content = words.map((_, index) => index);
    this.together = null;
  }

  /** Number of the slot that speaks for a moment. */
  slotAt(seconds) {
    let slot = 0;
    while (slot < this.numSlots - 1 && seconds >= this.edges[slot + 1]) slot += 1;
    return slot;
  }

  /** Uint8 [t, h, w]: the map of a word, or cell by cell the strongest of all content words. */
  volume(word) {
    const size = this.numSlots * this.numCells;
    if (word !== ALL_WORDS) return this.bytes.subarray(word * size, (word + 1) * size);
    if (!this.together) {
      this.together = new Uint8Array(size);
      for (const index of this.content) {
        const bytes = this.bytes.subarray(index * size, (index + 1) * size);
        for (let at = 0; at < size; at += 1) {
          if (bytes[at] > this.together[at]) this.together[at] = bytes[at];
        }
      }
    }
    return this.together;
  }

  /** Float32 [h, w] in 0..255: linear between the two slots around a moment, held at the ends. */
  cellsAt(word, seconds) {
    const volume = this.volume(word);
    const cells = new Float32Array(this.numCells);
    let after = 0;
    while (after < this.numSlots && this.slots[after] <= seconds) after += 1;
    const last = Math.min(after, this.numSlots - 1);
    const before = Math.max(after - 1, 0);
    const gap = this.slots[last] - this.slots[before];
    const share = gap > 0 ? Math.min(1, (seconds - this.slots[before]) / gap) : 0;
    for (let at = 0; at < this.numCells; at += 1) {
      const from = volume[before * this.numCells + at];
      cells[at] = from + share * (volume[last * this.numCells + at] - from);
    }
    return cells;
  }

  /** Mean heat of each slot, in 0..1. */
  energy(word) {
    if (word !== ALL_WORDS) return this.tracks[word].energy;
    const volume = this.volume(word);
    return this.slots.map((_, slot) => {
      let sum = 0;
      for (let at = 0; at < this.numCells; at += 1) sum += volume[slot * this.numCells + at];
      return sum / this.numCells / 255;
    });
  }
}

/** The whole report. */
class Report {
  constructor(data) {
    Object.assign(this, { answer: data.answer, words: data.words, tokens: data.tokens });
    this.inputs = data.inputs.map((row) => new Seen(row, data.words));
    this.relevance = decodeBytes(data.relevance);
    this.colormaps = Object.fromEntries(
      Object.entries(data.colormaps).map(([name, text]) => [name, decodeBytes(text)]),
    );
    this.settings = data.settings;
  }

  /** The content word with the clearest peak in the first input: what a reader sees first. */
  get firstWord() {
    const { content, tracks } = this.inputs[0];
    const heat = (word) => tracks[word].peak?.value ?? 0;
    return content.reduce((best, word) => (best === ALL_WORDS || heat(word) > heat(best) ? word : best), ALL_WORDS);
  }

  /** What a word drew from a text token, in 0..1. */
  drawn(word, token) {
    return word === ALL_WORDS ? 0 : this.relevance[word * this.tokens.length + token] / 255;
  }

  /** The same for a word that was said before: the mean over its tokens. */
  drawnFromWord(word, other) {
    const { tokens } = this.words[other];
    return tokens.reduce((sum, token) => sum + this.drawn(word, token), 0) / tokens.length;
  }

  name(word) {
    return word === ALL_WORDS ? "All content words" : this.words[word].text;
  }
}

const formatSeconds = (seconds) => {
  if (seconds < 59.995) return `${seconds.toFixed(2)} s`;
  const rest = (seconds % 60).toFixed(2);
  return `${Math.floor(seconds / 60)}:${rest.padStart(5, "0")}`;
};
const formatShare = (share) => `${Math.round(share * 100)} %`;
/** A token as it can be seen: spaces and line ends are drawn. */
const visible = (text) => text.replaceAll("\n", "\u23ce").replaceAll("\t", "\u21e5").replace(/^ | $/g, "\u00b7") || "\u2205";
