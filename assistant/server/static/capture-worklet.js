/** The microphone as pieces of 40 ms, 24 kHz mono int16, whatever the rate of the context. */

import { RATE, toInt16 } from "./pcm.js";
import { Resampler } from "./resampler.js";

const PIECE = 0.04 * RATE;

class Capture extends AudioWorkletProcessor {
  #resampler = sampleRate === RATE ? null : new Resampler(sampleRate, RATE);
  #piece = new Float32Array(PIECE);
  #filled = 0;

  process([input]) {
    const samples = input[0];
    if (samples) this.#take(this.#resampler ? this.#resampler.process(samples) : samples);
    return true;
  }

  #take(samples) {
    for (const sample of samples) {
      this.#piece[this.#filled++] = sample;
      if (this.#filled === PIECE) this.#send();
    }
  }

  #send() {
    const piece = toInt16(this.#piece);
    this.port.postMessage(piece, [piece.buffer]);
    this.#filled = 0;
  }
}

registerProcessor("capture", Capture);
