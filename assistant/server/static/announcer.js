/** For screen readers: whole sentences now and then, never the words of an answer that sounds. */

import { byId, make } from "./dom.js";

const KEPT = 4;

export class Announcer {
  #region = byId("announcer");

  say(text) {
    this.#region.append(make("p", {}, text));
    while (this.#region.children.length > KEPT) this.#region.firstChild.remove();
  }
}
