/** The button that one talks with, and the choice between open microphone and holding. */

import { byId, changeIcon } from "./dom.js";

export class TalkButton {
  #button = byId("talk");
  #talk;
  #begin;
  #report;

  /** `begin` is called before each talking: it wakes what sleeps. `report` shows an Error. */
  constructor({ talk, begin, report }) {
    this.#talk = talk;
    this.#begin = begin;
    this.#report = report;
    this.#button.addEventListener("pointerdown", (event) => this.#down(event));
    this.#button.addEventListener("pointerup", () => this.release());
    this.#button.addEventListener("pointercancel", () => this.release());
    this.#button.addEventListener("contextmenu", (event) => event.preventDefault()); // of a long touch
    this.#button.addEventListener("click", (event) => this.#click(event));
    window.addEventListener("blur", () => this.release());
    for (const choice of document.querySelectorAll("input[name=mode]")) {
      choice.addEventListener("change", () => this.#talk.setMode(choice.value));
    }
    talk.addEventListener("change", () => this.#show());
    this.#show();
  }

  get #holds() {
    return this.#talk.mode === "hold";
  }

  #down(event) {
    if (!this.#holds || event.button !== 0) return;
    this.#button.setPointerCapture(event.pointerId);
    this.press();
  }

  /** A click by keyboard or screen reader has no pointer to hold: it begins, and ends at the next. */
  #click(event) {
    if (!this.#holds) this.toggle();
    else if (event.detail === 0) (this.#talk.on ? this.release() : this.press());
  }

  toggle() {
    this.#try(() => this.#talk.toggle(), !this.#talk.on);
  }

  /** In the mode for it: holding begins. Else the microphone goes on or off. */
  press() {
    if (this.#holds) this.#try(() => this.#talk.press(), true);
    else this.toggle();
  }

  release() {
    if (this.#holds) this.#talk.release();
  }

  async #try(act, begins) {
    try {
      if (begins) await this.#begin({ interrupts: this.#holds });
      await act();
    } catch (error) {
      this.#report(error);
    }
  }

  #show() {
    const { on } = this.#talk;
    this.#button.classList.toggle("on", on);
    this.#button.setAttribute("aria-pressed", String(on));
    changeIcon(this.#button, on || this.#holds ? "mic" : "mic-off");
    byId("talk-label").textContent = this.#holds ? (on ? "Let go to send" : "Hold to talk") : on ? "Turn the microphone off" : "Turn the microphone on";
  }
}
