/** One answer while it is made and played: its text against its sound, item by item. */

import { AnswerEntry } from "./answer-entry.js";
import { Captions } from "./captions.js";
import { RATE } from "./pcm.js";

export class Answer {
  entry = new AnswerEntry();
  made = false; // nothing of it follows
  over = false; // and nothing of it plays, or will
  heard = 0; // seconds
  #captions = new Captions();
  #items = []; // {id, start}: where in the sound each item of the response begins
  #newBlock = true;
  #spoken = 0; // characters that are shown
  #waits = {};

  constructor(id) {
    this.id = id;
  }

  get hasSound() {
    return this.#captions.seconds > 0;
  }

  startItem(id) {
    this.#items.push({ id, start: this.#captions.seconds });
    this.#newBlock = true;
  }

  addText(text) {
    if (this.#newBlock) this.entry.startBlock(this.#captions.text.length);
    this.#newBlock = false;
    this.#captions.addText(text);
  }

  addSound(samples) {
    this.#captions.addSound(samples.length / RATE);
  }

  startTool(callId, name, args) {
    this.#newBlock = true;
    this.entry.startTool(callId, name, args);
  }

  /** So much of its sound has been played. */
  playedTo(seconds) {
    this.heard = seconds;
    this.#show(this.#captions.spokenAt(seconds));
  }

  showAll() {
    this.#show(this.#captions.text.length);
  }

  /** Captions never go back, also when later text shows that a word was early. */
  #show(length) {
    if (length <= this.#spoken) return;
    this.#spoken = length;
    this.entry.show(this.#captions.text, length);
  }

  finish() {
    this.made = true;
    this.#captions.finish();
  }

  /** The listener heard so much and no more: `text` as the server says it, or by the time. */
  cut(seconds, text) {
    this.over = true;
    this.heard = seconds;
    const all = this.#captions.text;
    const length = text === undefined ? this.#captions.spokenAt(seconds) : endIn(all, text);
    this.entry.cut(all, length);
  }

  /** The item that plays at the end of what was heard, for `conversation.item.truncate`. */
  heardItem() {
    const item = this.#items.findLast(({ start }) => start <= this.heard);
    return item && { id: item.id, ms: Math.round(1_000 * (this.heard - item.start)) };
  }

  /** Milliseconds: by the page's clock, by the server's, and in tools. */
  addWaits(waits) {
    Object.assign(this.#waits, waits);
    const { page, server, tools, speculated } = this.#waits;
    const parts = [];
    if (page !== undefined) parts.push(`Heard after ${inSeconds(page)}`);
    if (server !== undefined) parts.push(`server ${inSeconds(server)}`);
    if (tools >= 10) parts.push(`tools ${inSeconds(tools)}`);
    if (speculated) parts.push("began early");
    this.entry.waits = parts.join(" · ");
  }
}

/** Where the heard text ends in the whole one; white space between them may differ. */
function endIn(all, heard) {
  const wanted = heard.replace(/\s/g, "").length;
  let seen = 0;
  for (let index = 0; index < all.length; index++) {
    if (seen === wanted) return index;
    if (!/\s/.test(all[index])) seen++;
  }
  return all.length;
}

function inSeconds(ms) {
  return `${(ms / 1_000).toFixed(2)} s`;
}
