/** A tool at work: its arguments, how far it is, and what it found. */

import { clipped, icon, make } from "./dom.js";

const MOST_CHARACTERS = 4_000;
const SHORT = 160; // characters of a result that is shown without being opened
const OUTCOMES = {
  ok: "done",
  error: "failed",
  timeout: "took too long",
  cancelled: "stopped",
  denied: "not allowed",
  unknown: "no such tool",
};

export class ToolCard {
  #state = make("span", { className: "tool-state" }, "running");
  #progress = make("p", { className: "tool-progress", hidden: true });
  node;

  constructor(name, args) {
    this.name = name;
    const title = make("p", { className: "tool-title" }, icon("tool"), make("code", {}, name), this.#state);
    this.node = make("section", { className: "tool running" }, title, list(args), this.#progress);
    this.node.setAttribute("aria-label", `Tool ${name}`);
  }

  progress(text) {
    this.#progress.hidden = false;
    this.#progress.textContent = clipped(text, SHORT * 2);
  }

  finish({ outcome, seconds, result }) {
    this.#progress.remove();
    this.node.classList.replace("running", outcome === "ok" ? "ok" : "failed");
    const word = OUTCOMES[outcome] ?? outcome;
    this.#state.textContent = typeof seconds === "number" ? `${word} · ${seconds.toFixed(2)} s` : word;
    if (result) this.node.append(shown(clipped(result, MOST_CHARACTERS)));
    return word;
  }

  /** The turn is over, and the call has no outcome: nobody will bring one. */
  abandon() {
    if (this.node.classList.contains("running")) this.finish({ outcome: "cancelled" });
  }
}

/** Arguments as the model gave them: JSON, or whatever it wrote instead. */
function list(args) {
  const values = parsed(args);
  if (!values) return make("pre", { className: "tool-arguments" }, clipped(args, MOST_CHARACTERS));
  const rows = Object.entries(values).map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, clipped(plain(value), MOST_CHARACTERS))),
  );
  return make("dl", { className: "tool-arguments", hidden: rows.length === 0 }, ...rows);
}

function parsed(text) {
  try {
    const value = JSON.parse(text || "{}");
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function shown(result) {
  if (result.length <= SHORT) return make("p", { className: "tool-result" }, result);
  const summary = make("summary", {}, clipped(result, SHORT));
  return make("details", { className: "tool-result" }, summary, make("pre", { tabIndex: 0 }, result));
}
