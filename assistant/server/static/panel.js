/** The panel of voices and tools: beside the conversation, or over it where the screen is narrow. */

import { byId } from "./dom.js";

const NARROW = matchMedia("(max-width: 60rem)");

export class Panel {
  #panel = byId("panel");
  #button = byId("panel-button");

  constructor() {
    this.#button.addEventListener("click", () => this.#show(!this.#isOpen));
    byId("panel-close").addEventListener("click", () => this.#close());
    this.#panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !NARROW.matches) return;
      event.stopPropagation();
      this.#close();
    });
    NARROW.addEventListener("change", () => this.#show(!NARROW.matches));
    this.#show(!NARROW.matches);
  }

  get #isOpen() {
    return !this.#panel.hidden;
  }

  /** Opens it, and goes to that element in it. */
  openAt(id) {
    this.#show(true);
    byId(id).focus();
    byId(id).scrollIntoView({ block: "nearest" });
  }

  #close() {
    this.#show(false);
    this.#button.focus();
  }

  #show(open) {
    this.#panel.hidden = !open;
    this.#button.setAttribute("aria-expanded", String(open));
    document.body.classList.toggle("with-panel", open);
    if (open && NARROW.matches) byId("panel-close").focus();
  }
}
