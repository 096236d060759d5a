/**
 * The socket of the conversation: opens it, opens it again when it is lost, and goes on with the
 * same conversation by its id.
 *
 * States: connecting, open, waiting (for the next try), asleep (until there is something to say),
 * locked (a key is needed). Events: state {state, reason}, lost, forgotten (the conversation is).
 */

import { NeedsKey, clientSecret } from "./api.js";

const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 20;
const STEADY_MS = 5_000; // open for so long, it counts as a success
const GOING_AWAY = 1001; // the server's: nobody spoke for long, or it stops
const REFUSED = 1008; // this conversation is full
const TAKEN_OVER = 4001; // by another page
const MOST_UNSENT = 256 * 1024; // bytes; sound beyond it is dropped rather than late

export class Connection extends EventTarget {
  state = "connecting";
  sessionId = "";
  retryAt = 0;
  #lastId = "";
  #socket = null;
  #handlers = new Map();
  #failures = 0;
  #openedAt = 0;
  #timer = 0;

  /** Calls `handler(event)` for every event of the server of that type. */
  on(type, handler) {
    const handlers = this.#handlers.get(type) ?? [];
    this.#handlers.set(type, [...handlers, handler]);
  }

  get isOpen() {
    return this.state === "open";
  }

  /** Connects now, where it isn't; the time of the next try doesn't matter then. */
  async wake() {
    if (this.#socket || this.isOpen) return;
    clearTimeout(this.#timer);
    this.#to("connecting");
    const socket = (this.#socket = await this.#dial());
    if (!socket) return;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = (event) => this.#lost(event);
  }

  async #dial() {
    this.#socket = "dialling";
    try {
      const secret = await clientSecret();
      return new WebSocket(this.#url(), ["realtime", `openai-insecure-api-key.${secret}`]);
    } catch (error) {
      this.#socket = null;
      if (error instanceof NeedsKey) this.#to("locked", error.message);
      else this.#retry(error.message);
      return null;
    }
  }

  #url() {
    const url = new URL("v1/realtime", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    url.searchParams.set("extensions", "assistant");
    if (this.sessionId) url.searchParams.set("session_id", this.sessionId);
    return url;
  }

  /** Once it is open. Raises Error with one line for people when it can't be now. */
  async ready() {
    this.wake();
    while (!this.isOpen) {
      const { state, reason } = await this.#nextState();
      if (state === "locked") throw new Error("A key is needed first.");
      if (state === "waiting") throw new Error(reason || "There is no connection: it is tried again.");
    }
  }

  #nextState() {
    return new Promise((done) => this.addEventListener("state", ({ detail }) => done(detail), { once: true }));
  }

  /** Whether the event is on its way. */
  send(event) {
    if (!this.isOpen) return false;
    this.#socket.send(JSON.stringify(event));
    return true;
  }

  /** Sound that can't keep up is dropped: late, it would be of no use. */
  sendSound(audio) {
    if (!this.isOpen || this.#socket.bufferedAmount > MOST_UNSENT) return false;
    return this.send({ type: "input_audio_buffer.append", audio });
  }

  #receive(event) {
    if (event.type === "session.created") {
      this.#openedAt = performance.now();
      this.#to("open");
    } else if (event.type === "assistant.session") {
      this.#follow(event.session.id);
    }
    for (const handler of this.#handlers.get(event.type) ?? []) handler(event);
  }

  #follow(id) {
    const before = this.#lastId;
    this.#lastId = this.sessionId = id;
    if (before && before !== id) this.dispatchEvent(new Event("forgotten"));
  }

  #lost({ code, reason }) {
    const wasOpen = this.isOpen;
    if (wasOpen && performance.now() - this.#openedAt > STEADY_MS) this.#failures = 0;
    this.#socket = null;
    if (wasOpen) this.dispatchEvent(new Event("lost"));
    if (code === REFUSED) this.sessionId = "";
    const idle = code === GOING_AWAY && reason === "idle";
    if (idle || code === TAKEN_OVER || (wasOpen && code === REFUSED)) this.#to("asleep", reason);
    else this.#retry(reason);
  }

  #retry(reason) {
    const wait = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** this.#failures);
    const jittered = wait * (0.75 + Math.random() / 2);
    this.#failures++;
    this.retryAt = performance.now() + 1_000 * jittered;
    this.#to("waiting", reason);
    this.#timer = setTimeout(() => this.wake(), 1_000 * jittered);
  }

  #to(state, reason = "") {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, reason } }));
  }
}
