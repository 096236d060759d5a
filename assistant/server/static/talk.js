/**
 * When the microphone is heard. Open: all the time that it is on, and the server notices when the
 * user has ended. Hold: while the user holds the button, and letting it go ends the turn.
 */

import { RATE, toBase64 } from "./pcm.js";

const KEPT_PIECES = 6; // before the button was pressed: fingers are slower than tongues
const SHORTEST_HOLD_MS = 250;
const CLOSING_SILENCE_S = 1.5; // after the microphone went off, so that the server sees an end
const SILENCE = new Int16Array(0.1 * RATE);
const RELEASED_MS = 60_000; // after the last press the microphone is let go of

export class Talk extends EventTarget {
  mode = "open";
  on = false; // the user's sound goes to the server
  muted = false; // silence goes in its place
  #answers;
  #microphone;
  #connection;
  #waits;
  #kept = [];
  #pressedAt = null;
  #timer = 0;
  #commits = false;

  constructor({ microphone, connection, waits, answers }) {
    super();
    this.#answers = answers;
    this.#microphone = microphone;
    this.#connection = connection;
    this.#waits = waits;
    microphone.addEventListener("sound", ({ detail }) => this.#hear(detail));
    microphone.addEventListener("lost", () => this.#set(false));
    connection.on("session.created", () => this.#configure());
    connection.on("input_audio_buffer.committed", () => this.#askForAnswer());
  }

  #configure() {
    this.#waits.restart();
    this.#commits = false;
    this.#connection.send(this.#update({ transcription: { model: "assistant" } }));
  }

  #update(input = {}) {
    const detection = this.mode === "open" ? { type: "server_vad" } : null; // by the server's figures
    const audio = { input: { ...input, turn_detection: detection } };
    return { type: "session.update", session: { type: "realtime", audio } };
  }

  setMode(mode) {
    this.turnOff();
    this.#microphone.close();
    this.mode = mode;
    this.#connection.send(this.#update());
    this.#set(false);
  }

  /** Raises Error with one line for people. */
  async toggle() {
    if (this.on) this.turnOff();
    else await this.#turnOn();
  }

  async #turnOn() {
    await this.#microphone.open();
    this.#set(true);
  }

  turnOff() {
    if (!this.on) return;
    this.#pressedAt = null;
    this.#set(false);
    if (this.mode === "open") {
      this.#microphone.close();
      for (let seconds = 0; seconds < CLOSING_SILENCE_S; seconds += 0.1) this.#send(SILENCE);
    } else {
      this.#connection.send({ type: "input_audio_buffer.clear" });
    }
  }

  /** Holding begins. Raises Error with one line for people. */
  async press() {
    if (this.#pressedAt !== null) return;
    this.#pressedAt = performance.now();
    await this.#microphone.open().catch((error) => {
      this.#pressedAt = null;
      throw error;
    });
    if (this.#pressedAt === null) return; // let go before the microphone was there
    this.#connection.send({ type: "input_audio_buffer.clear" });
    this.#set(true);
    for (const piece of this.#kept.splice(0)) this.#sendPiece(piece);
  }

  /** Holding ends: what was said is a turn. */
  release() {
    const pressedAt = this.#pressedAt;
    this.#pressedAt = null;
    if (!this.on || pressedAt === null) return;
    if (performance.now() - pressedAt < SHORTEST_HOLD_MS) {
      this.#set(false);
      this.#connection.send({ type: "input_audio_buffer.clear" });
      return;
    }
    this.#commits = true; // once the piece that is being recorded has been sent
    this.#waits.ended();
  }

  #hear(piece) {
    if (this.on) {
      this.#sendPiece(piece);
      if (this.#commits && this.#pressedAt === null) this.#commit();
    } else {
      this.#kept.push(piece);
      if (this.#kept.length > KEPT_PIECES) this.#kept.shift();
    }
  }

  #commit() {
    this.#set(false);
    this.#commits = this.#connection.send({ type: "input_audio_buffer.commit" });
  }

  /** The server makes no answer by itself to what was held. */
  async #askForAnswer() {
    if (!this.#commits) return;
    this.#commits = false;
    await this.#answers.settled();
    this.#connection.send({ type: "response.create" });
  }

  #sendPiece({ samples, time }) {
    if (this.muted) samples.fill(0);
    this.#send(samples, time);
  }

  #send(samples, time = performance.now()) {
    const sent = this.#connection.sendSound(toBase64(samples));
    if (sent) this.#waits.sent(samples, (1_000 * samples.length) / RATE, time);
  }

  #set(on) {
    this.on = on;
    this.#kept = [];
    clearTimeout(this.#timer);
    if (!on && this.mode === "hold") this.#timer = setTimeout(() => this.#microphone.close(), RELEASED_MS);
    this.dispatchEvent(new Event("change"));
  }
}
