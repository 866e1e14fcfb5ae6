// What is chosen, who wants to know, and the address that leads back to it.

class State {
  constructor(report) {
    const { colormap, opacity } = report.settings;
    Object.assign(this, {
      report, input: 0, word: report.firstWord, preview: null,
      colormap, opacity, threshold: 0, outline: false, mark: true, box: false,
      side: false, captions: false, functions: false, ownScale: false,
    });
    this.listeners = [];
  }

  get seen() { return this.report.inputs[this.input]; }

  /** The word whose heat is shown. */
  get shown() { return this.preview ?? this.word; }

  onChange(listener) { this.listeners.push(listener); }

  update(changes) {
    const changed = new Set(Object.keys(changes).filter((name) => this[name] !== changes[name]));
    if (!changed.size) return;
    Object.assign(this, changes);
    for (const listener of this.listeners) listener(changed);
  }
}

/** "#word=3&t=1.25&input=1" as numbers that exist, or null where the address names nothing. */
function readLink(report) {
  const given = new URLSearchParams(location.hash.slice(1));
  const number = (name) => {
    const text = given.get(name);
    return text !== null && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
  };
  const input = number("input") ?? 0;
  const word = number("word");
  const seconds = number("t");
  if (word === null && seconds === null) return null;
  return {
    input: Number.isInteger(input) && report.inputs[input] ? input : 0,
    word: Number.isInteger(word) && report.words[word] ? word : ALL_WORDS,
    seconds,
  };
}

function writeLink(state, seconds) {
  const parts = [`t=${Number(seconds.toFixed(3))}`];
  if (state.word !== ALL_WORDS) parts.unshift(`word=${state.word}`);
  if (state.input) parts.push(`input=${state.input}`);
  try { history.replaceState(null, "", `#${parts.join("&")}`); } catch { /* sandboxed */ }
}
