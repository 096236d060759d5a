/** The user's sound, in pieces of 40 ms: events `sound` with {samples, time}. */

import { RATE } from "./pcm.js";

const WANTED = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

export class Microphone extends EventTarget {
  analyser = null;
  seconds = 0; // since it was opened
  #context = null;
  #stream = null;
  #opening = null;

  get isOpen() {
    return this.#stream !== null;
  }

  /** Raises Error with one line for people. */
  async open() {
    this.#opening ??= this.#open().finally(() => (this.#opening = null));
    await this.#opening;
  }

  async #open() {
    if (this.isOpen) return;
    const stream = await ask();
    try {
      await this.#connect(stream);
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      throw new Error(`The microphone could not be used: ${error.message}`);
    }
    this.#stream = stream;
    this.seconds = 0;
    stream.getAudioTracks()[0].addEventListener("ended", () => {
      this.close();
      this.dispatchEvent(new Event("lost"));
    });
  }

  async #connect(stream) {
    const [context, source] = sourceOf(stream);
    this.#context = context;
    await context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    const node = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    node.port.onmessage = ({ data }) => this.#hear(data);
    this.analyser = new AnalyserNode(context, { fftSize: 2048 });
    source.connect(this.analyser);
    source.connect(node);
    if (context.state !== "running") await context.resume();
  }

  /** The tracks are stopped, so the browser's own sign of a microphone in use goes out. */
  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#context?.close();
    this.#stream = this.#context = this.analyser = null;
  }

  #hear(samples) {
    if (!this.isOpen) return;
    this.seconds += samples.length / RATE;
    const detail = { samples, time: performance.now() };
    this.dispatchEvent(new CustomEvent("sound", { detail }));
  }
}

/** Firefox takes a microphone only at its own rate; the worklet resamples then. */
function sourceOf(stream) {
  const context = new AudioContext({ sampleRate: RATE });
  try {
    return [context, new MediaStreamAudioSourceNode(context, { mediaStream: stream })];
  } catch {
    context.close();
    const own = new AudioContext();
    return [own, new MediaStreamAudioSourceNode(own, { mediaStream: stream })];
  }
}

async function ask() {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers give the microphone only to pages on localhost or over https.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: WANTED });
  } catch (error) {
    throw new Error(PROBLEMS[error.name] ?? `The microphone could not be opened: ${error.message}`);
  }
}

const PROBLEMS = {
  NotAllowedError: "The microphone is not allowed here: allow it beside the address of this page.",
  NotFoundError: "There is no microphone: connect one, or type.",
  NotReadableError: "The microphone is in use by another program, or can't be read.",
};
