/**
 * Plays answers one after the other, and says how far it is.
 *
 * Commands: sound {answer, samples: Int16Array, 24 kHz}, end {answer}: no more sound of it follows,
 * clear {answer}, pause, resume. A pause or a clear is silent from the next quantum on (128 samples).
 * Reports: started {answer}, position {answer, seconds} ten times a second, ended {answer, seconds}.
 */

import { RATE, toFloat } from "./pcm.js";
import { Resampler } from "./resampler.js";

const FIRST_FILL_S = 0.06; // of sound that is there before an answer starts
const MOST_FILL_S = 0.4; // after it ran dry again and again
const REPORT_S = 0.1;
const FADE = 96; // samples; without it a stop clicks

class Playback extends AudioWorkletProcessor {
  #answers = [];
  #paused = false;
  #fading = 0; // samples of the fade that are still to come
  #sinceReport = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => this.#obey(data);
  }

  #obey({ command, answer, samples }) {
    if (command === "sound") this.#of(answer).add(samples);
    else if (command === "end") this.#of(answer).end();
    else if (command === "clear") this.#clear(answer);
    else if (command === "pause") this.#pause();
    else if (command === "resume") this.#paused = false;
  }

  #of(id) {
    let found = this.#answers.find((answer) => answer.id === id);
    if (!found) this.#answers.push((found = new Answer(id)));
    return found;
  }

  #pause() {
    if (!this.#paused) this.#fading = FADE;
    this.#paused = true;
  }

  /** What sounds right now fades out; the rest of the answer is gone. */
  #clear(id) {
    const index = this.#answers.findIndex((answer) => answer.id === id);
    if (index < 0) return;
    const [dropped] = this.#answers.splice(index, 1);
    if (index === 0 && !this.#paused && dropped.sounds) this.#answers.unshift(dropped.lastSound(FADE));
  }

  process(_inputs, [output]) {
    const out = output[0];
    if (!this.#paused) this.#play(out);
    else if (this.#fading) this.#fadeOut(out);
    return true;
  }

  #play(out) {
    let filled = 0;
    while (this.#answers.length && filled < out.length) {
      const answer = this.#answers[0];
      const before = filled;
      if (answer.ready) filled += this.#from(answer, out, filled);
      if (answer.over) this.#finish(answer);
      else if (filled === before) break;
    }
  }

  #from(answer, out, at) {
    if (!answer.played) this.#report("started", answer);
    const count = answer.read(out.subarray(at));
    this.#sinceReport += count;
    if (this.#sinceReport > REPORT_S * sampleRate) this.#report("position", answer);
    return count;
  }

  #fadeOut(out) {
    const sound = out.subarray(0, this.#fading);
    const answer = this.#answers[0];
    const count = answer?.sounds ? answer.read(sound) : 0;
    for (let n = 0; n < count; n++) sound[n] *= 1 - n / FADE;
    this.#fading = 0;
    if (count) this.#report("position", answer);
  }

  #finish(answer) {
    this.#answers.shift();
    if (!answer.fades) this.#report("ended", answer);
  }

  #report(type, answer) {
    this.#sinceReport = 0;
    if (answer.fades) return;
    this.port.postMessage({ type, answer: answer.id, seconds: answer.played / sampleRate });
  }
}

/** The sound of an answer that has not played yet, at the rate of the context. */
class Answer {
  fades = false;
  played = 0;
  sounds = false; // it has begun, and has not run dry
  #resampler = sampleRate === RATE ? null : new Resampler(RATE, sampleRate);
  #pieces = [];
  #at = 0; // in the first piece
  #left = 0;
  #complete = false;
  #fill = FIRST_FILL_S * sampleRate;

  constructor(id) {
    this.id = id;
  }

  /** A wait after it ran dry is longer each time: the network is not steady. */
  get ready() {
    return this.#left > 0 && (this.sounds || this.#complete || this.#left >= this.#fill);
  }

  get over() {
    return this.#complete && this.#left === 0;
  }

  add(samples) {
    const sound = toFloat(samples);
    const piece = this.#resampler ? this.#resampler.process(sound) : sound;
    if (piece.length) this.#pieces.push(piece);
    this.#left += piece.length;
  }

  end() {
    this.#complete = true;
  }

  read(out) {
    this.sounds = true;
    let count = 0;
    while (count < out.length && this.#pieces.length) {
      const part = this.#pieces[0].subarray(this.#at, this.#at + out.length - count);
      out.set(part, count);
      count += part.length;
      this.#at += part.length;
      if (this.#at === this.#pieces[0].length) this.#nextPiece();
    }
    this.played += count;
    this.#left -= count;
    if (!this.#left && !this.#complete) this.#ranDry();
    return count;
  }

  /** An answer that is nothing but the next samples of this one, growing silent. */
  lastSound(length) {
    const sound = new Float32Array(Math.min(length, this.#left));
    this.read(sound);
    const last = new Answer(null);
    last.fades = true;
    last.#pieces = [sound.map((value, n) => value * (1 - n / sound.length))];
    last.#left = sound.length;
    last.#complete = true;
    return last;
  }

  #nextPiece() {
    this.#pieces.shift();
    this.#at = 0;
  }

  #ranDry() {
    this.sounds = false;
    this.#fill = Math.min(2 * this.#fill, MOST_FILL_S * sampleRate);
  }
}

registerProcessor("playback", Playback);
