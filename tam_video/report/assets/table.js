// The words as a table that sorts.

class WordTable {
  constructor(table, state, { onPin }) {
    Object.assign(this, { table, state, sortedBy: null, isDescending: false });
    table.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      if (button.dataset.word !== undefined) onPin(Number(button.dataset.word));
      else this.sort(button.dataset.column);
    });
  }

  /** Columns: name, title, value to sort by, text to show. */
  columns() {
    const { report, seen } = this.state;
    const track = (word) => seen.tracks[word];
    const columns = [
      ["word", "Word", (word) => word, (word) => report.name(word)],
      ["peak", "Peak time", (word) => track(word).peak?.seconds, (word) => formatSeconds(track(word).peak.seconds)],
      ["heat", "Peak heat", (word) => track(word).peak?.value, (word) => track(word).peak.value.toFixed(2)],
      ["place", "Peak place", (word) => track(word).peak?.place, (word) => track(word).peak.place],
      ["from", "Span", (word) => track(word).span?.[0], (word) => track(word).span.map(formatSeconds).join(" to ")],
      ["share", "Energy in track", (word) => track(word).share, (word) => formatShare(track(word).share)],
      ["probability", "Probability", (word) => this.probability(word), (word) => `${(100 * this.probability(word)).toFixed(1)} %`],
    ];
    if (report.words.some((word) => word.reliance !== null)) {
      columns.push(["reliance", "Visual reliance", (word) => report.words[word].reliance, (word) => `${report.words[word].reliance.toFixed(2)}${report.words[word].isSuspect ? " (low)" : ""}`]);
    }
    if (report.words.some((word) => word.check)) {
      columns.push(["check", "Track hidden", (word) => report.words[word].check?.hidden, (word) => this.check(report.words[word].check)]);
    }
    return columns.filter(([name]) => !(seen.isImage && ["peak", "from"].includes(name)));
  }

  /** With the track hidden, and how many control regions it was compared with. */
  check({ hidden, numBeaten, numControls }) {
    return `${(100 * hidden).toFixed(1)} %${numControls ? ` (below ${numBeaten} of ${numControls})` : ""}`;
  }

  /** Of the whole word: the product over its tokens. */
  probability(word) {
    const { report } = this.state;
    return report.words[word].tokens.reduce((product, token) => product * (report.tokens[token].probability ?? 1), 1);
  }

  sort(column) {
    this.isDescending = this.sortedBy === column && !this.isDescending;
    this.sortedBy = column;
    this.build();
    this.table.querySelector(`thead [data-column="${column}"]`).focus();
  }

  build() {
    const { seen, report, functions } = this.state;
    const columns = this.columns();
    const words = functions ? report.words.map((_, index) => index) : [...seen.content];
    const value = columns.find(([name]) => name === this.sortedBy)?.[2];
    if (value) {
      words.sort((a, b) => this.compare(value(a), value(b)) || a - b);
    }
    const header = columns.map(([name, title]) => {
      const order = this.isDescending ? "descending" : "ascending";
      const sorted = name === this.sortedBy ? order : null;
      return make("th", { scope: "col", "aria-sort": sorted }, make("button", { type: "button", "data-column": name }, title));
    });
    this.rows = words.map((word) => make("tr", { "data-word": word }, ...columns.map(([name, , sortBy, show]) => {
      if (name === "word") {
        return make("th", { scope: "row" }, make("button", { type: "button", "data-word": word, dir: "auto" }, show(word)));
      }
      const known = sortBy(word) !== undefined && sortBy(word) !== null;
      return make("td", { class: "num-cell" }, known ? show(word) : "\u2013");
    })));
    this.table.replaceChildren(
      make("caption", { class: "hidden" }, "Words of the answer: when and where each was seen"),
      make("thead", {}, make("tr", {}, ...header)), make("tbody", {}, ...this.rows),
    );
    this.mark();
  }

  /** Smaller first, or larger first; what is not known comes last either way. */
  compare(a, b) {
    const isMissing = [a, b].map((value) => value === undefined || value === null);
    if (isMissing[0] || isMissing[1]) return Number(isMissing[0]) - Number(isMissing[1]);
    const order = typeof a === "string" ? a.localeCompare(b) : a - b;
    return this.isDescending ? -order : order;
  }

  mark() {
    for (const row of this.rows) row.classList.toggle("current", Number(row.dataset.word) === this.state.word);
  }
}
