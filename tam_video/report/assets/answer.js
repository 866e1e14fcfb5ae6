// The answer as buttons, what is known of the chosen word, and the text it drew on.

const TOP_DRAWN = 5;

class Answer {
  constructor(state, { onPin, onPreview }) {
    this.state = state;
    this.area = byId("answer");
    this.buttons = [...this.area.querySelectorAll(".word")];
    this.prompt = [...document.querySelectorAll(".token")];
    const wordOf = (event) => {
      const button = event.target.closest?.(".word");
      return button ? Number(button.dataset.word) : null;
    };
    this.area.addEventListener("pointerover", (event) => onPreview(wordOf(event)));
    this.area.addEventListener("pointerleave", () => onPreview(null));
    this.area.addEventListener("focusin", (event) => onPreview(wordOf(event)));
    this.area.addEventListener("focusout", () => onPreview(null));
    // A click leaves the focus where it is, so that Space goes on to play.
    this.area.addEventListener("mousedown", (event) => { if (wordOf(event) !== null) event.preventDefault(); });
    this.area.addEventListener("click", (event) => {
      const word = wordOf(event);
      if (word !== null) onPin(word);
    });
    byId("all-words").addEventListener("click", () => onPin(ALL_WORDS));
  }

  refresh() {
    const { report, word, preview, shown } = this.state;
    for (const button of this.buttons) {
      const index = Number(button.dataset.word);
      button.setAttribute("aria-pressed", String(index === word));
      button.classList.toggle("preview", index === preview);
      const drawn = shown !== ALL_WORDS && index < shown ? report.drawnFromWord(shown, index) : 0;
      button.style.setProperty("--drawn", drawn.toFixed(3));
    }
    byId("all-words").setAttribute("aria-pressed", String(word === ALL_WORDS));
    for (const token of this.prompt) {
      token.style.setProperty("--drawn", report.drawn(shown, Number(token.dataset.token)).toFixed(3));
    }
    byId("drawn").textContent = this.describeDrawn();
    this.showDetail();
  }

  /** The tokens that a word drew on most, in words, so that bars are not needed. */
  describeDrawn() {
    const { report, shown } = this.state;
    if (shown === ALL_WORDS) return "Choose a word: bars under the text show how much it drew on each token.";
    const found = report.tokens
      .map((token, index) => [report.drawn(shown, index), token.text])
      .filter(([share]) => share > 0.02)
      .sort((a, b) => b[0] - a[0])
      .slice(0, TOP_DRAWN);
    if (!found.length) return `\u201c${report.name(shown)}\u201d drew on no text before it.`;
    const list = found.map(([share, text]) => `\u201c${visible(text)}\u201d ${share.toFixed(2)}`).join(", ");
    return `\u201c${report.name(shown)}\u201d drew most on: ${list}. Bars under the text show all of it, from 0 to 1.`;
  }

  showDetail() {
    const { report, shown } = this.state;
    byId("detail-title").textContent = report.name(shown);
    byId("facts").replaceChildren(...this.facts().flatMap(([label, value]) => [make("dt", {}, label), make("dd", {}, value)]));
    const tokens = shown === ALL_WORDS ? [] : report.words[shown].tokens.map((index) => report.tokens[index]);
    byId("candidates").replaceChildren(...tokens.filter((token) => token.candidates.length).map((token) => this.odds(token)));
  }

  facts() {
    const { report, seen, shown } = this.state;
    if (shown === ALL_WORDS) return [["Shows", "cell by cell the strongest of all content words"]];
    const { peak, span, share } = seen.tracks[shown];
    const { reliance, isSuspect, check } = report.words[shown];
    const facts = [];
    if (peak) {
      if (!seen.isImage) facts.push(["Strongest at", `${formatSeconds(peak.seconds)}, slot ${peak.slot + 1} of ${seen.numSlots}`]);
      facts.push(["Where", `${peak.place} (${formatShare(peak.x)} across, ${formatShare(peak.y)} down)`]);
    } else {
      facts.push(["Strongest at", "nowhere: its map is flat"]);
    }
    if (span && !seen.isImage) facts.push(["Track", `${formatSeconds(span[0])} to ${formatSeconds(span[1])}`]);
    if (peak) facts.push(["Energy in its track", formatShare(share)]);
    if (reliance !== null) facts.push(["Visual reliance", `${reliance.toFixed(2)}${isSuspect ? ", little visual evidence" : ""}`]);
    if (check) facts.push(["When it is hidden", check.sentence]);
    return facts;
  }

  /** The most probable tokens at a place, the one that was said marked. */
  odds(token) {
    const rows = token.candidates.map(([text, probability]) => {
      const said = text === token.text;
      return make(
        "li", { class: said ? "said" : "" },
        make("span", { class: "piece" }, visible(text), ...(said ? [make("span", { class: "hidden" }, " (said)")] : [])),
        make("meter", { min: 0, max: 1, value: probability, "aria-label": `probability of ${visible(text)}` }),
        make("span", { class: "num" }, `${(100 * probability).toFixed(1)} %`),
      );
    });
    const said = token.candidates.some(([text]) => text === token.text);
    const title = `Instead of \u201c${visible(token.text)}\u201d, ${(100 * (token.probability ?? 0)).toFixed(1)} %`;
    return make("div", { class: "odds" }, make("h3", {}, said ? "Most probable here" : title), make("ol", {}, ...rows));
  }
}
