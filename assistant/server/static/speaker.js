/** The assistant's sound: what of which answer plays, and how far it has come. */

import { RATE, toFloat } from "./pcm.js";

export class Speaker extends EventTarget {
  analyser = null;
  #context = null;
  #node = null;
  #opening = null;
  #positions = new Map(); // answer id -> seconds that the worklet has played

  get isOpen() {
    return this.#node !== null;
  }

  /**
   * Browsers want a click or a key first: called in the handlers of those, before anything else is
   * waited for. Raises Error with one line for people.
   */
  async open() {
    this.#context ??= new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    const running = this.#context.resume();
    this.#opening ??= this.#load().catch(() => {
      this.#opening = null;
      throw new Error("The server can't be reached.");
    });
    await Promise.all([running, this.#opening]);
  }

  async #load() {
    await this.#context.audioWorklet.addModule(new URL("playback-worklet.js", import.meta.url));
    this.#node = new AudioWorkletNode(this.#context, "playback", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.#node.port.onmessage = ({ data }) => this.#hear(data);
    this.analyser = new AnalyserNode(this.#context, { fftSize: 2048 });
    this.#node.connect(this.analyser).connect(this.#context.destination);
  }

  play(answer, samples) {
    this.#tell({ command: "sound", answer, samples }, [samples.buffer]);
  }

  end(answer) {
    this.#tell({ command: "end", answer });
  }

  pause() {
    this.#tell({ command: "pause" });
  }

  resume() {
    this.#tell({ command: "resume" });
  }

  clear(answer) {
    this.#tell({ command: "clear", answer });
  }

  /** Seconds of the answer that have left the loudspeaker. */
  heard(answer) {
    const delay = this.#context ? this.#context.baseLatency + (this.#context.outputLatency || 0) : 0;
    return Math.max(0, (this.#positions.get(answer) ?? 0) - delay);
  }

  forget(answer) {
    this.#positions.delete(answer);
  }

  /** Plays samples beside the conversation. Gives a function that stops them. */
  async playClip(samples, onEnd) {
    await this.open();
    const buffer = this.#context.createBuffer(1, Math.max(1, samples.length), RATE);
    buffer.copyToChannel(toFloat(samples), 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.analyser);
    source.onended = onEnd;
    source.start();
    return () => source.stop();
  }

  #hear({ type, answer, seconds }) {
    if (type === "started" || this.#positions.has(answer)) this.#positions.set(answer, seconds);
    this.dispatchEvent(new CustomEvent(type, { detail: { answer, seconds } }));
  }

  /** Before the first click or key nothing plays, and nothing waits to. */
  #tell(message, transfer = []) {
    this.#node?.port.postMessage(message, transfer);
  }
}
