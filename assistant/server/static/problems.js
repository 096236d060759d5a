/** What went wrong, in one line for people, until it is put away or a while has passed. */

import { byId } from "./dom.js";

const SHOWN_MS = 15_000;
const HARMLESS = new Set(["response_cancel_not_active", "item_truncate_invalid_item_id"]);
const WORDS = {
  input_audio_buffer_commit_empty: "Nothing was heard: hold the button while you speak.",
};

export class Problems {
  #box = byId("problem");
  #timer = 0;

  constructor() {
    byId("problem-close").addEventListener("click", () => this.hide());
  }

  /** An Error of this page, or the `error` of an event of the server. */
  show({ code, message }) {
    if (HARMLESS.has(code)) return;
    byId("problem-text").textContent = WORDS[code] ?? message;
    this.#box.hidden = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.hide(), SHOWN_MS);
  }

  hide() {
    this.#box.hidden = true;
    byId("problem-text").textContent = "";
  }
}
