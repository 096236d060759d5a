/** The box for what is typed instead of said. */

import { byId } from "./dom.js";

export class TextBox extends EventTarget {
  #field = byId("say");

  constructor() {
    super();
    byId("say-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#field.addEventListener("input", () => this.#grow());
  }

  /** Taken out of the field by whoever has sent it. */
  clear() {
    this.#field.value = "";
    this.#grow();
  }

  #send() {
    const text = this.#field.value.trim();
    if (text) this.dispatchEvent(new CustomEvent("say", { detail: text }));
  }

  #grow() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}
