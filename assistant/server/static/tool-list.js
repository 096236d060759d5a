/** What the assistant can do: its tools, and things to say to it. */

import { listTools } from "./api.js";
import { byId, clipped, make } from "./dom.js";

const MOST_EXAMPLES = 3; // of a tool
const MOST_SUGGESTIONS = 4; // on the empty page

export class ToolList extends EventTarget {
  async load() {
    try {
      this.#show(await listTools());
    } catch (error) {
      byId("tool-list").replaceChildren(make("li", { className: "quiet" }, error.message));
    }
  }

  #show(tools) {
    byId("tool-list").replaceChildren(...tools.map((tool) => this.#row(tool)));
    const firsts = tools.map((tool) => tool.examples[0]).filter(Boolean).slice(0, MOST_SUGGESTIONS);
    byId("suggestions").replaceChildren(...firsts.map((text) => this.#example(text)));
  }

  #row({ function: { name, description }, examples }) {
    const says = examples.slice(0, MOST_EXAMPLES).map((text) => this.#example(text));
    return make(
      "li",
      { className: "tool-row" },
      make("code", {}, name),
      make("p", {}, clipped(description, 300)),
      make("ul", { className: "examples", hidden: !says.length }, ...says),
    );
  }

  #example(text) {
    const button = make("button", { type: "button", className: "example" }, text);
    button.addEventListener("click", () => this.dispatchEvent(new CustomEvent("say", { detail: text })));
    return make("li", {}, button);
  }
}
