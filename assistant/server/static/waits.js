/** How long the user waited, by this machine's clock and ear: from the last word to the first sound. */

const KEPT = 1_500; // pieces of sound: a minute
const LOOKED_BACK = 50; // pieces: two seconds
const SPEECH_DB = 20; // below the loudest piece of these it is no speech any more

export class Waits {
  #sent = []; // {ms, time, db}: a piece that ended after so much sound, when, and how loud it was
  #sentMs = 0;
  #endedAt = null;

  /** A piece of sound has been sent that was recorded at that time. */
  sent(samples, ms, time) {
    this.#sentMs += ms;
    this.#sent.push({ ms: this.#sentMs, time, db: level(samples) });
    if (this.#sent.length > KEPT) this.#sent.shift();
  }

  /** Another socket: the server counts from the beginning again. */
  restart() {
    this.#sent = [];
    this.#sentMs = 0;
  }

  /** The turn's sound ended here, of which the end may be silence; not given: the user ended now. */
  ended(ms = null) {
    this.#endedAt = (ms === null ? null : this.#lastWord(ms)) ?? performance.now();
  }

  #lastWord(ms) {
    const heard = this.#sent.filter((piece) => piece.ms <= ms).slice(-LOOKED_BACK);
    const loudest = Math.max(...heard.map(({ db }) => db));
    return heard.findLast(({ db }) => db > loudest - SPEECH_DB)?.time;
  }

  /** Milliseconds since the user ended; once, for the first sound of the first answer. */
  soundAfter() {
    if (this.#endedAt === null) return null;
    const ms = performance.now() - this.#endedAt;
    this.#endedAt = null;
    return ms;
  }
}

function level(samples) {
  const power = samples.reduce((sum, value) => sum + value * value, 0) / (samples.length || 1);
  return 10 * Math.log10(power + 1);
}
