/** The assistant's side: answers from their first event to their last sound. */

import { Answer } from "./answer.js";
import { fromBase64 } from "./pcm.js";

const REPORT_MS = 250;

export class Answers extends EventTarget {
  #connection;
  #speaker;
  #turns;
  #waits;
  #announcer;
  #running = new Map(); // id -> Answer, until its last sound has played
  #reportedAt = 0;
  paused = false;
  sounding = false;

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

  /** An answer is being made, or still plays. */
  get running() {
    return this.#running.size > 0;
  }

  #listenToServer() {
    const on = (type, act) =>
      this.#connection.on(type, (event) => {
        const answer = this.#running.get(event.response_id);
        if (answer) act(answer, event);
      });
    this.#connection.on("response.created", ({ response }) => this.#start(response.id));
    this.#connection.on("response.done", ({ response }) => this.#finish(response));
    on("response.output_item.added", (answer, { item }) => item.type === "message" && answer.startItem(item.id));
    on("response.output_audio.delta", (answer, event) => this.#play(answer, fromBase64(event.delta)));
    on("response.output_audio_transcript.delta", (answer, event) => answer.addText(event.delta));
    on("response.output_text.delta", (answer, event) => {
      answer.addText(event.delta);
      answer.showAll();
    });
    on("assistant.tool.started", (answer, event) => this.#startTool(answer, event));
    this.#connection.on("assistant.tool.progress", (event) => this.#tool(event.call_id)?.progress(event.text));
    this.#connection.on("assistant.tool.finished", (event) => this.#finishTool(event));
    on("assistant.playback.paused", (answer) => this.#pause(answer));
    on("assistant.playback.resumed", (answer) => this.#resume(answer));
    on("assistant.playback.cleared", (answer, event) => this.#clear(answer, event.heard_ms / 1_000, event.text));
    on("assistant.latency", (answer, event) =>
      answer.addWaits({ server: event.first_audio_ms ?? undefined, tools: event.tools_ms, speculated: event.speculated }),
    );
    this.#connection.addEventListener("lost", () => this.#lose());
  }

  #listenToSpeaker() {
    const on = (type, act) =>
      this.#speaker.addEventListener(type, ({ detail }) => {
        const answer = this.#running.get(detail.answer);
        if (answer) act(answer, detail);
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
    this.#running.set(id, answer);
    this.#turns.add(answer.entry.node);
    this.#changed();
  }

  #play(answer, samples) {
    answer.addSound(samples);
    this.#speaker.play(answer.id, samples);
  }

  #finish({ id, status, status_details: details }) {
    const answer = this.#running.get(id);
    if (!answer) return;
    answer.finish();
    if (status === "failed") this.#fail(answer, details?.error?.message);
    if (answer.hasSound && this.#speaker.isOpen) {
      this.#speaker.end(id);
    } else {
      answer.showAll();
      this.#end(answer);
    }
    this.#changed();
  }

  #fail(answer, message = "The answer failed.") {
    answer.entry.problem = message;
    this.#announcer.say(message);
  }

  #startTool(answer, { call_id: callId, name, arguments: args }) {
    answer.startTool(callId, name, args);
    this.#announcer.say(`Tool ${name} runs.`);
  }

  #finishTool(event) {
    const card = this.#tool(event.call_id);
    if (card) this.#announcer.say(`Tool ${card.name} ${card.finish(event)}.`);
  }

  #tool(callId) {
    for (const answer of this.#running.values()) {
      const card = answer.entry.tool(callId);
      if (card) return card;
    }
    return undefined;
  }

  #pause(answer) {
    this.#speaker.pause();
    this.#setPaused(answer, true);
  }

  #resume(answer) {
    this.#speaker.resume();
    this.#setPaused(answer, false);
  }

  #setPaused(answer, paused) {
    this.paused = paused;
    answer.entry.paused = paused;
    this.#changed();
  }

  #clear(answer, seconds, text) {
    this.#speaker.clear(answer.id);
    this.#resume(answer);
    answer.cut(seconds, text);
    this.#end(answer);
  }

  /** By the user's hand: the button, a key, or what they say or type instead. */
  stop() {
    for (const answer of [...this.#running.values()]) {
      const heard = this.#speaker.heard(answer.id);
      answer.heard = heard;
      if (!answer.made) this.#connection.send({ type: "response.cancel", response_id: answer.id });
      const item = answer.hasSound && answer.heardItem();
      if (item) {
        const where = { item_id: item.id, content_index: 0, audio_end_ms: item.ms };
        this.#connection.send({ type: "conversation.item.truncate", ...where });
      }
      this.#clear(answer, heard);
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
    if (this.paused) this.#speaker.resume();
    this.paused = false;
    for (const id of [...this.#running.keys()]) this.#finish({ id });
  }

  #end(answer) {
    answer.over = true;
    answer.entry.settle();
    if (answer.entry.isEmpty) answer.entry.node.remove();
    this.#running.delete(answer.id);
    this.#speaker.forget(answer.id);
    this.sounding = this.#running.size > 0 && this.sounding;
    this.#changed();
  }

  #changed() {
    this.#turns.follow();
    this.dispatchEvent(new Event("change"));
  }
}
