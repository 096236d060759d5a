/** An answer as a turn of the list: captions as far as they are spoken, tools between them. */

import { make } from "./dom.js";
import { ToolCard } from "./tool-card.js";

export class AnswerEntry {
  #body = make("div", { className: "body" });
  #footer = make("p", { className: "waits" });
  #problem = make("p", { className: "problem" });
  #blocks = []; // {start, spoken, unheard}: pieces of text, by the index of their first character
  #tools = new Map();
  node = make("li", { className: "turn answer thinking" }, make("h3", { className: "who" }, "Assistant"), this.#body);

  /** Text from this character on stands in a paragraph of its own. */
  startBlock(start) {
    const spoken = make("span", { className: "spoken" });
    const unheard = make("del", { className: "unheard", hidden: true });
    const paragraph = make("p", { className: "text", hidden: true }, spoken, unheard);
    this.#blocks.push({ start, spoken, unheard, paragraph });
    this.#body.append(paragraph);
  }

  /** Shows the text up to that length; the rest is to come. */
  show(text, length) {
    for (const [n, { start, spoken, paragraph }] of this.#blocks.entries()) {
      const end = Math.min(length, this.#endOf(n, text));
      if (end <= start) continue;
      paragraph.hidden = false;
      spoken.textContent = text.slice(start, end).trimStart();
      this.node.classList.remove("thinking");
    }
  }

  /** Shows all of the text: what lies behind that length was never heard. */
  cut(text, length) {
    this.node.classList.add("cut");
    for (const [n, { start, spoken, unheard, paragraph }] of this.#blocks.entries()) {
      const end = this.#endOf(n, text);
      let middle = Math.max(start, Math.min(length, end));
      while (middle < end && /\s/.test(text[middle])) middle++; // or a space would be struck
      spoken.textContent = text.slice(start, middle).trimStart();
      unheard.textContent = text.slice(middle, end);
      unheard.hidden = middle === end;
      paragraph.hidden = start === end;
    }
    this.settle();
  }

  #endOf(n, text) {
    return this.#blocks[n + 1]?.start ?? text.length;
  }

  startTool(callId, name, args) {
    const card = new ToolCard(name, args);
    this.#tools.set(callId, card);
    this.#body.append(card.node);
    this.node.classList.remove("thinking");
  }

  tool(callId) {
    return this.#tools.get(callId);
  }

  /** No more of it follows. */
  settle() {
    this.node.classList.remove("thinking", "paused");
    for (const card of this.#tools.values()) card.abandon();
  }

  get isEmpty() {
    return this.#body.childElementCount === 0;
  }

  set paused(paused) {
    this.node.classList.toggle("paused", paused);
  }

  set waits(text) {
    this.#footer.textContent = text;
    if (!this.#footer.isConnected) this.node.append(this.#footer);
  }

  set problem(text) {
    this.#problem.textContent = text;
    if (!this.#problem.isConnected) this.#body.append(this.#problem);
  }
}
