/**
 * Which part of an answer's text has been spoken after so many seconds of its sound.
 *
 * Text and sound arrive interleaved, the text a little or a lot ahead. A character is spoken when the
 * sound that followed it has come, and not faster than a mouth can: so text that came all at once
 * spreads over the sound behind it.
 */

const UNITS_PER_S = 17; // letters of quick speech
const UNITS_OF_WIDE = 3.5; // one Chinese character takes as long as so many letters
const WIDE = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/;
const ENDS_WORD = /[\s\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/;

export class Captions {
  text = "";
  seconds = 0; // of sound so far
  #anchors = []; // {index, seconds}: the text from this character on came when so much sound had come
  #complete = false;
  #spans = null;

  addText(text) {
    if (this.#anchors.at(-1)?.seconds !== this.seconds) {
      this.#anchors.push({ index: this.text.length, seconds: this.seconds });
    }
    this.text += text;
    this.#spans = null;
  }

  addSound(seconds) {
    this.seconds += seconds;
    this.#spans = null;
  }

  finish() {
    this.#complete = true;
    this.#spans = null;
  }

  /** Length of the text that is spoken, up to the end of a word. */
  spokenAt(seconds) {
    const span = this.#timed().findLast(({ start }) => start <= seconds);
    if (!span) return 0;
    const share = Math.min(1, (seconds - span.start) / (span.end - span.start || 1));
    const index = span.index + Math.ceil(share * span.length);
    return endOfWord(this.text, index, span.index + span.length);
  }

  #timed() {
    this.#spans ??= this.#spread();
    return this.#spans;
  }

  #spread() {
    const spans = [];
    for (const [n, { index, seconds }] of this.#anchors.entries()) {
      const next = this.#anchors[n + 1] ?? { index: this.text.length, seconds: this.#end };
      const start = Math.max(seconds, spans.at(-1)?.end ?? 0);
      const least = units(this.text.slice(index, next.index)) / UNITS_PER_S;
      const end = Math.max(next.seconds, start + least);
      spans.push({ index, length: next.index - index, start, end });
    }
    return spans;
  }

  get #end() {
    return this.#complete ? this.seconds : 0;
  }
}

function units(text) {
  let sum = 0;
  for (const character of text) sum += WIDE.test(character) ? UNITS_OF_WIDE : 1;
  return sum;
}

function endOfWord(text, index, limit) {
  let end = index;
  while (end > 0 && end < limit && !ENDS_WORD.test(text[end - 1]) && !ENDS_WORD.test(text[end])) end++;
  return end;
}
