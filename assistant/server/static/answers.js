/** The assistant's side: answers from their first event to their last sound. */

import { Answer } from "./answer.js";
import { fromBase64 } from "./pcm.js";

const REPORT_MS = 250;
const KEPT = 8; // answers that are over, for what the server says of them later

export class Answers extends EventTarget {
  paused = false;
  sounding = false;
  #connection;
  #speaker;
  #turns;
  #waits;
  #announcer;
  #answers = new Map(); // id -> Answer
  #reportedAt = 0;

  constructor({ connection, speaker, turns, waits, announcer }) {
    super();
    this.#connection = connection;
    this.#speaker = speaker;
    this.#turns = turns;
    this.#waits = waits;
    this.#announcer = announcer;
    this.#listenToServer();
    this.#listenToSpeaker();
  }

  /** Those that are being made, or still play. */
  get #running() {
    return [...this.#answers.values()].filter((answer) => !answer.over);
  }

  get running() {
    return this.#running.length > 0;
  }

  /** Once the server makes none: it makes one at a time. */
  async settled() {
    while ([...this.#answers.values()].some((answer) => !answer.made)) {
      await new Promise((done) => this.addEventListener("change", done, { once: true }));
    }
  }

  #listenToServer() {
    const { on, onTool } = this.#serverEvents();
    this.#connection.on("response.created", ({ response }) => this.#start(response.id));
    this.#connection.on("response.done", ({ response }) => this.#finish(response));
    const onRunning = (type, act) => on(type, (answer, event) => answer.over || act(answer, event));
    onRunning("response.output_item.added", (answer, { item }) => item.type === "message" && answer.startItem(item.id));
    onRunning("response.output_audio.delta", (answer, { delta }) => this.#play(answer, fromBase64(delta)));
    onRunning("response.output_audio_transcript.delta", (answer, { delta }) => answer.addText(delta));
    onRunning("response.output_text.delta", (answer, { delta }) => answer.addText(delta));
    onRunning("assistant.tool.started", (answer, event) => this.#startTool(answer, event));
    onTool("assistant.tool.progress", (card, { text }) => card.progress(text));
    onTool("assistant.tool.finished", (card, event) => this.#announcer.say(`Tool ${card.name} ${card.finish(event)}.`));
    on("assistant.playback.paused", (answer) => this.#setPaused(answer, true));
    on("assistant.playback.resumed", (answer) => this.#setPaused(answer, false));
    on("assistant.playback.cleared", (answer, event) => this.#clear(answer, event.heard_ms / 1_000, event.text));
    on("assistant.latency", (answer, event) => {
      const { first_audio_ms: server, tools_ms: tools, speculated } = event;
      answer.addWaits({ server: server ?? undefined, tools, speculated });
    });
    this.#connection.addEventListener("lost", () => this.#lose());
  }

  /** Handlers that get the answer, or the card of the tool, that an event is about. */
  #serverEvents() {
    const on = (type, act) =>
      this.#connection.on(type, (event) => {
        const answer = this.#answers.get(event.response_id);
        if (answer) act(answer, event);
      });
    const onTool = (type, act) =>
      this.#connection.on(type, (event) => {
        const cards = [...this.#answers.values()].map((answer) => answer.entry.tool(event.call_id));
        const card = cards.findLast(Boolean);
        if (card) act(card, event);
      });
    return { on, onTool };
  }

  #listenToSpeaker() {
    const on = (type, act) =>
      this.#speaker.addEventListener(type, ({ detail }) => {
        const answer = this.#answers.get(detail.answer);
        if (answer && !answer.over) act(answer, detail);
      });
    on("started", (answer) => {
      this.sounding = true;
      const ms = this.#waits.soundAfter();
      if (ms !== null) answer.addWaits({ page: ms });
      this.#changed();
    });
    on("position", (answer) => {
      answer.playedTo(this.#speaker.heard(answer.id));
      this.#reportPosition(answer);
    });
    on("ended", (answer, { seconds }) => {
      answer.heard = seconds;
      answer.showAll();
      this.#reportPosition(answer, true);
      this.#end(answer);
    });
  }

  #start(id) {
    const answer = new Answer(id);
    this.#answers.set(id, answer);
    for (const [old, { over }] of this.#answers) {
      if (this.#answers.size > KEPT && over) this.#answers.delete(old);
    }
    this.#turns.add(answer.entry.node);
    this.#changed();
  }

  #play(answer, samples) {
    answer.addSound(samples);
    this.#speaker.play(answer.id, samples);
  }

  #finish({ id, status, status_details: details }) {
    const answer = this.#answers.get(id);
    if (!answer) return;
    answer.finish();
    if (status === "failed") this.#fail(answer, details?.error?.message);
    if (!answer.over && answer.hasSound && this.#speaker.isOpen) {
      this.#speaker.end(id);
    } else if (!answer.over) {
      answer.showAll();
      this.#end(answer);
    }
    this.#changed();
  }

  #fail(answer, message) {
    answer.entry.problem = message || "The answer failed.";
    this.#announcer.say(message || "The answer failed.");
  }

  #startTool(answer, { call_id: callId, name, arguments: args }) {
    answer.startTool(callId, name, args);
    this.#announcer.say(`Tool ${name} runs.`);
    this.#changed();
  }

  #setPaused(answer, paused) {
    if (answer.over) return;
    if (paused) this.#speaker.pause();
    else this.#speaker.resume();
    this.paused = paused;
    answer.entry.paused = paused;
    this.#changed();
  }

  #clear(answer, seconds, text) {
    this.#speaker.clear(answer.id);
    this.#setPaused(answer, false);
    answer.cut(seconds, text);
    this.#end(answer);
  }

  /** By the user's hand: the button, a key, or what they say or type instead. */
  stop() {
    for (const answer of this.#running) {
      answer.heard = this.#speaker.heard(answer.id);
      if (!answer.made) this.#connection.send({ type: "response.cancel", response_id: answer.id });
      const item = answer.heardItem();
      if (item) {
        const where = { item_id: item.id, content_index: 0, audio_end_ms: item.ms };
        this.#connection.send({ type: "conversation.item.truncate", ...where });
      }
      this.#clear(answer, answer.heard);
    }
  }

  #reportPosition(answer, always = false) {
    const now = performance.now();
    if (!always && now - this.#reportedAt < REPORT_MS) return;
    this.#reportedAt = now;
    const played = Math.round(1_000 * answer.heard);
    this.#connection.send({ type: "assistant.playback.position", response_id: answer.id, played_ms: played });
  }

  /** The socket is gone: what has come is played to its end. */
  #lose() {
    for (const answer of this.#answers.values()) {
      this.#setPaused(answer, false);
      if (!answer.made) this.#finish({ id: answer.id });
    }
  }

  #end(answer) {
    answer.over = true;
    answer.entry.settle();
    if (answer.entry.isEmpty) answer.entry.node.remove();
    this.#speaker.forget(answer.id);
    this.sounding &&= this.running;
    this.#changed();
  }

  #changed() {
    this.#turns.follow();
    this.dispatchEvent(new Event("change"));
  }
}
