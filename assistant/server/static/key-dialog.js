/** Asks for the key of the server, where it wants one. */

import { key } from "./api.js";
import { byId } from "./dom.js";

export class KeyDialog {
  #dialog = byId("key-dialog");
  #field = byId("key");

  /** `onKey` is called once there is a key to try. */
  constructor(onKey) {
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const value = this.#field.value.trim();
      if (!value) return;
      key.set(value);
      this.#field.value = "";
      this.#dialog.close();
      onKey();
    });
  }

  /** The dialog says why the last key was refused; without one there is nothing to say. */
  ask(reason) {
    byId("key-problem").textContent = key.get() ? reason : "";
    key.forget();
    if (!this.#dialog.open) this.#dialog.showModal();
  }
}
