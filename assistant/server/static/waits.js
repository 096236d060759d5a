/** How long the user waited, by this machine's clock: from the last word to the first sound. */

const KEPT = 1_500; // pieces of sound: a minute

export class Waits {
  #sent = []; // {ms, time}: when the piece that ended after so much sound was recorded
  #sentMs = 0;
  #endedAt = null;

  /** A piece of sound has been sent. */
  sent(ms, time) {
    this.#sentMs += ms;
    this.#sent.push({ ms: this.#sentMs, time });
    if (this.#sent.length > KEPT) this.#sent.shift();
  }

  /** Another socket: the server counts from the beginning again. */
  restart() {
    this.#sent = [];
    this.#sentMs = 0;
  }

  /** The user's speech ended after so much sound; where that isn't known, now. */
  speechEnded(ms = null) {
    const piece = ms === null ? null : this.#sent.find((sent) => sent.ms >= ms);
    this.#endedAt = piece?.time ?? performance.now();
  }

  /** Milliseconds since the user ended; once, for the first sound of the first answer. */
  soundAfter() {
    if (this.#endedAt === null) return null;
    const ms = performance.now() - this.#endedAt;
    this.#endedAt = null;
    return ms;
  }
}
