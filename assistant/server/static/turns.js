/** The list of what was said: follows its end, and forgets its beginning. */

import { byId, make } from "./dom.js";

const MOST_TURNS = 150;
const NEAR_PX = 120;

export class Turns {
  #list = byId("turns");
  #room = byId("conversation");
  #welcome = byId("welcome");
  #follows = true;

  constructor() {
    this.#room.addEventListener("scroll", () => (this.#follows = this.#isAtEnd()), { passive: true });
    new ResizeObserver(() => this.follow()).observe(this.#list);
    new ResizeObserver(() => this.follow()).observe(this.#room);
  }

  add(node) {
    this.#welcome.hidden = true;
    this.#list.append(node);
    while (this.#list.children.length > MOST_TURNS) this.#forgetFirst();
    this.follow();
  }

  /** A line between turns. */
  note(text) {
    this.add(make("li", { className: "note" }, text));
  }

  /** To the end of the list, unless the reader has scrolled away from it. */
  follow() {
    if (this.#follows) this.#room.scrollTop = this.#room.scrollHeight;
  }

  #isAtEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#room;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }

  #forgetFirst() {
    byId("forgotten").hidden = false;
    this.#list.firstElementChild.remove();
  }
}
