/** What the user said, as a turn of the list. */

import { clipped, make } from "./dom.js";

const MOST_CHARACTERS = 20_000;

export class UserEntry {
  #text = make("p", { className: "text" });
  node = make("li", { className: "turn user" }, make("h3", { className: "who" }, "You"), this.#text);

  /** Before there is a text: what happens instead. */
  set waiting(text) {
    this.node.classList.add("waiting");
    this.#text.textContent = text;
  }

  set text(text) {
    this.node.classList.remove("waiting");
    this.#text.textContent = clipped(text, MOST_CHARACTERS);
  }
}
