/** Two words on how things stand: of the connection, and of the conversation. */

import { byId } from "./dom.js";

const CONNECTION = {
  connecting: "Connecting",
  open: "Connected",
  waiting: "Connection lost",
  asleep: "Asleep",
  locked: "Locked",
};

export class Status {
  #parts;
  #countdown = 0;

  /** `parts`: connection, talk, userTurns, answers. */
  constructor(parts) {
    this.#parts = parts;
    for (const part of [parts.talk, parts.userTurns, parts.answers]) {
      part.addEventListener("change", () => this.#showPhase());
    }
    parts.connection.addEventListener("state", ({ detail }) => this.#showConnection(detail));
    this.#showPhase();
  }

  #showConnection({ state, reason }) {
    const pill = byId("connection");
    pill.dataset.state = state;
    pill.title = reason;
    pill.textContent = CONNECTION[state];
    clearInterval(this.#countdown);
    if (state === "waiting") this.#countdown = setInterval(() => this.#countDown(), 1_000);
    this.#countDown();
    this.#showPhase();
  }

  /** Beside the region that is read aloud: nobody wants to hear each second. */
  #countDown() {
    const { state, retryAt } = this.#parts.connection;
    const seconds = Math.max(0, Math.ceil((retryAt - performance.now()) / 1_000));
    byId("retry").hidden = state !== "waiting";
    byId("retry-in").textContent = seconds ? `Next try in ${seconds} s` : "Trying";
  }

  #showPhase() {
    const [phase, text] = this.#phase();
    byId("dock").dataset.phase = phase;
    byId("phase").textContent = text;
    byId("stop").disabled = !this.#parts.answers.running;
  }

  #phase() {
    const { connection, talk, userTurns, answers } = this.#parts;
    if (!connection.isOpen && !answers.running) return ["off", WITHOUT[connection.state]];
    if (answers.paused) return ["paused", "Paused: I'm listening"];
    if (userTurns.speaking) return ["user-speaking", "I hear you"];
    if (answers.sounding) return ["speaking", "Speaking"];
    if (answers.running) return ["thinking", "Thinking"];
    if (talk.on) return ["listening", "Listening"];
    return ["idle", talk.mode === "hold" ? "Hold the button to talk" : "The microphone is off"];
  }
}

const WITHOUT = {
  connecting: "Connecting",
  waiting: "No connection",
  asleep: "Asleep: speak or type to go on",
  locked: "A key is needed",
};
