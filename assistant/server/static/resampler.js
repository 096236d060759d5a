/** Another sample rate for a stream of any pieces: band-limited interpolation with a windowed sinc. */

const ZEROS = 16; // zero crossings of the sinc on either side
const PHASES = 256; // positions between two samples that the kernel is tabulated for

export class Resampler {
  #step;
  #half; // taps on either side
  #kernels;
  #kept; // input that later output still needs
  #at; // where in `kept` the next output sample lies

  constructor(from, to) {
    this.#step = from / to;
    const cutoff = 0.95 * Math.min(1, to / from);
    this.#half = Math.ceil(ZEROS / cutoff);
    this.#kernels = kernels(cutoff, this.#half);
    this.#kept = new Float32Array(this.#half);
    this.#at = this.#half;
  }

  /** What the samples so far allow; the last few wait for those that follow. */
  process(samples) {
    const input = new Float32Array(this.#kept.length + samples.length);
    input.set(this.#kept);
    input.set(samples, this.#kept.length);
    const last = input.length - this.#half - 1;
    const output = new Float32Array(Math.max(0, Math.ceil((last - this.#at) / this.#step)));
    for (let n = 0; n < output.length; n++) {
      output[n] = this.#sample(input, this.#at);
      this.#at += this.#step;
    }
    const done = Math.max(0, Math.floor(this.#at) - this.#half);
    this.#kept = input.slice(done);
    this.#at -= done;
    return output;
  }

  #sample(input, at) {
    const whole = Math.floor(at);
    const kernel = this.#kernels[Math.round((at - whole) * PHASES)];
    const first = whole - this.#half + 1;
    let sum = 0;
    for (let tap = 0; tap < kernel.length; tap++) sum += input[first + tap] * kernel[tap];
    return sum;
  }
}

function kernels(cutoff, half) {
  return Array.from({ length: PHASES + 1 }, (_, phase) => {
    const taps = Array.from({ length: 2 * half }, (_, tap) => {
      const distance = tap - half + 1 - phase / PHASES;
      return window(distance / half) * cutoff * sinc(cutoff * distance);
    });
    const sum = taps.reduce((total, tap) => total + tap, 0);
    return Float32Array.from(taps, (tap) => tap / sum);
  });
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Blackman's, from -1 to 1. */
function window(x) {
  return Math.abs(x) >= 1 ? 0 : 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}
