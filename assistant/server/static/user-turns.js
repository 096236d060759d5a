/** User turns: speech as the server detects it, and its transcripts. */

import { UserEntry } from "./user-entry.js";

const MOST_KEPT = 50;

export class UserTurns extends EventTarget {
  speaking = false;
  #turns;
  #waits;
  #announcer;
  #entries = new Map(); // item id -> {entry, startMs, seconds, text}

  constructor({ connection, turns, waits, announcer }) {
    super();
    this.#turns = turns;
    this.#waits = waits;
    this.#announcer = announcer;
    connection.on("input_audio_buffer.speech_started", (event) => this.#start(event));
    connection.on("input_audio_buffer.speech_stopped", (event) => this.#stop(event));
    connection.on("input_audio_buffer.cleared", () => this.#dropOpen());
    connection.on("conversation.item.added", ({ item }) => item.role === "user" && this.#add(item));
    const transcription = "conversation.item.input_audio_transcription";
    connection.on(`${transcription}.delta`, ({ item_id: id, delta }) => this.#write(id, delta));
    connection.on(`${transcription}.completed`, (event) => this.#complete(event.item_id, event.transcript));
    connection.on(`${transcription}.failed`, ({ item_id: id }) => this.#complete(id, ""));
    connection.addEventListener("lost", () => this.#dropOpen());
  }

  #start({ item_id: id, audio_start_ms: startMs }) {
    const kept = this.#entry(id);
    kept.startMs = startMs;
    kept.open = true;
    kept.entry.waiting = "…";
    this.#setHears(true);
  }

  #stop({ item_id: id, audio_end_ms: endMs }) {
    const kept = this.#entry(id);
    kept.seconds = Math.max(0, endMs - kept.startMs) / 1_000;
    this.#waits.ended(endMs);
    this.#setHears(false);
  }

  #add(item) {
    const kept = this.#entry(item.id);
    kept.open = false;
    const typed = item.content.filter((part) => part.type === "input_text").map((part) => part.text);
    const said = item.content.find((part) => part.type === "input_audio");
    if (typed.length) kept.entry.text = typed.join("\n");
    else if (said?.transcript) this.#complete(item.id, said.transcript);
    else kept.entry.waiting = kept.text || spoken(kept.seconds);
    this.#setHears(false);
  }

  #write(id, delta) {
    const kept = this.#entry(id);
    kept.text += delta;
    kept.entry.waiting = kept.text;
  }

  #complete(id, transcript) {
    const kept = this.#entry(id);
    kept.entry.text = transcript.trim() || spoken(kept.seconds);
    if (transcript.trim()) this.#announcer.say(`You: ${transcript}`);
    this.#turns.follow();
  }

  /** Speech of which no turn became is taken off the page. */
  #dropOpen() {
    for (const [id, kept] of this.#entries) {
      if (!kept.open) continue;
      kept.entry.node.remove();
      this.#entries.delete(id);
    }
    this.#setHears(false);
  }

  #entry(id) {
    let kept = this.#entries.get(id);
    if (!kept) {
      kept = { entry: new UserEntry(), startMs: 0, seconds: 0, text: "", open: false };
      this.#entries.set(id, kept);
      this.#turns.add(kept.entry.node);
      if (this.#entries.size > MOST_KEPT) this.#entries.delete(this.#entries.keys().next().value);
    }
    return kept;
  }

  #setHears(speaking) {
    this.speaking = speaking;
    this.dispatchEvent(new Event("change"));
  }
}

/** For engines that hear without making text of it. */
function spoken(seconds) {
  return seconds ? `(spoken, ${seconds.toFixed(1)} s)` : "(spoken)";
}
