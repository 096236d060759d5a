/** The voices: searched by words, heard in advance, picked. */

import { findVoices, speech } from "./api.js";
import { byId, icon, make } from "./dom.js";

const USUAL = { id: "default", description: "the assistant's usual voice", language: "" };
const SEARCH_WAIT_MS = 250;
const SAMPLES = {
  de: "Hallo, so klinge ich.",
  es: "Hola, así sueno yo.",
  fr: "Bonjour, voici ma voix.",
  it: "Ciao, questa è la mia voce.",
  ja: "こんにちは。これが私の声です。",
  zh: "你好，这就是我的声音。",
};
const SAMPLE = "Hello, this is what I sound like.";

export class Voices extends EventTarget {
  #speaker;
  #list = byId("voice-list");
  #count = byId("voice-count");
  #search = byId("voice-search");
  #current = USUAL.id;
  #timer = 0;
  #asking = null; // AbortController of the search that runs
  #preview = null; // {id, stop}

  constructor({ speaker, report }) {
    super();
    this.#speaker = speaker;
    this.report = report;
    this.#search.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.load(), SEARCH_WAIT_MS);
    });
  }

  /** The voice that the assistant speaks in from here on. */
  set current(id) {
    this.#current = id || USUAL.id;
    byId("voice-now").textContent = this.#current === USUAL.id ? "usual voice" : this.#current;
    for (const row of this.#list.children) this.#mark(row);
    this.#showPicked();
  }

  /** In the list only: the page and its panel stay where they are. */
  #showPicked() {
    const row = this.#list.querySelector(".picked");
    if (!row) return;
    const above = row.offsetTop - this.#list.offsetTop;
    const room = this.#list.clientHeight - row.clientHeight;
    const { scrollTop } = this.#list;
    this.#list.scrollTop = Math.min(above, Math.max(above - room, scrollTop));
  }

  /** A session that has just begun speaks in its own voice; the one picked before it stays picked. */
  follow(id) {
    const picked = this.#current;
    if (picked === USUAL.id || picked === id) this.current = id;
    else this.#pick({ id: picked });
  }

  async load() {
    this.#asking?.abort();
    this.#asking = new AbortController();
    const query = this.#search.value.trim();
    try {
      const found = await findVoices(query, this.#asking.signal);
      this.#show(query ? found : [USUAL, ...found]);
    } catch (error) {
      if (error.name !== "AbortError") this.#count.textContent = error.message;
    }
  }

  #show(voices) {
    this.#list.replaceChildren(...voices.map((voice) => this.#row(voice)));
    this.#list.scrollTop = 0;
    this.#count.textContent = voices.length === 1 ? "1 voice" : `${voices.length || "No"} voices`;
  }

  #row(voice) {
    const name = make("span", { className: "voice-name" }, voice.id, make("small", {}, voice.language));
    const pick = make("button", { type: "button", className: "voice-pick" }, name, make("span", { className: "voice-words" }, voice.description));
    pick.addEventListener("click", () => this.#pick(voice));
    const hear = make("button", { type: "button", className: "round", "aria-label": `Hear the voice ${voice.id}` }, icon("play"));
    hear.addEventListener("click", () => this.#hear(voice, hear));
    const row = make("li", { className: "voice" }, pick, hear);
    row.dataset.voice = voice.id;
    this.#mark(row);
    return row;
  }

  #mark(row) {
    const mine = row.dataset.voice === this.#current;
    row.classList.toggle("picked", mine);
    row.firstChild.setAttribute("aria-pressed", String(mine));
  }

  #pick(voice) {
    this.dispatchEvent(new CustomEvent("pick", { detail: voice.id }));
  }

  /** The second press on the same button stops it. */
  async #hear(voice, button) {
    const again = this.#preview?.id === voice.id;
    this.#preview?.stop();
    if (again) return;
    const aborter = new AbortController();
    const preview = (this.#preview = { id: voice.id, stop: () => this.#end(preview, button), aborter });
    button.classList.add("on");
    this.dispatchEvent(new CustomEvent("preview", { detail: true }));
    try {
      const samples = await speech(SAMPLES[voice.language.slice(0, 2)] ?? SAMPLE, voice.id, aborter.signal);
      if (this.#preview !== preview) return;
      preview.stopSound = await this.#speaker.playClip(samples, () => this.#end(preview, button));
    } catch (error) {
      this.#end(preview, button);
      if (error.name !== "AbortError") this.report(error);
    }
  }

  #end(preview, button) {
    button.classList.remove("on");
    if (this.#preview !== preview) return;
    this.#preview = null;
    preview.aborter.abort();
    preview.stopSound?.();
    this.dispatchEvent(new CustomEvent("preview", { detail: false }));
  }
}
