/**
 * The page of the assistant: puts its parts together.
 *
 *     microphone -> talk -> connection -> /v1/realtime -> user-turns, answers -> turns
 *                                                            answers -> speaker
 */

import { Announcer } from "./announcer.js";
import { Answers } from "./answers.js";
import { Connection } from "./connection.js";
import { byId } from "./dom.js";
import { UserTurns } from "./user-turns.js";
import { KeyDialog } from "./key-dialog.js";
import { Meter } from "./meter.js";
import { Microphone } from "./microphone.js";
import { Panel } from "./panel.js";
import { Problems } from "./problems.js";
import { installShortcuts } from "./shortcuts.js";
import { Speaker } from "./speaker.js";
import { Status } from "./status.js";
import { Talk } from "./talk.js";
import { TalkButton } from "./talk-button.js";
import { TextBox } from "./text-box.js";
import { installTheme } from "./theme.js";
import { ToolList } from "./tool-list.js";
import { Turns } from "./turns.js";
import { Voices } from "./voices.js";
import { Waits } from "./waits.js";

const NO_CONNECTION = new Error("There is no connection yet: try again in a moment.");

const connection = new Connection();
export const speaker = new Speaker();
export const microphone = new Microphone();
const turns = new Turns();
const waits = new Waits();
const announcer = new Announcer();
const problems = new Problems();
const report = (error) => problems.show(error);
const answers = new Answers({ connection, speaker, turns, waits, announcer });
const userTurns = new UserTurns({ connection, turns, waits, announcer });
const talk = new Talk({ microphone, connection, waits, answers });
const voices = new Voices({ speaker, report });
const tools = new ToolList();
const textBox = new TextBox();
const panel = new Panel();
const meter = new Meter(byId("meter"), [() => (talk.on ? microphone.analyser : null), () => speaker.analyser]);
const keyDialog = new KeyDialog(begin);

new Status({ connection, talk, userTurns, answers });
installTheme(() => meter.draw());

/** Everything that needs the server. */
function begin() {
  connection.wake();
}

connection.addEventListener("state", ({ detail: { state, reason } }) => {
  if (state === "locked") keyDialog.ask(reason);
  if (state === "waiting" && reason) report(new Error(reason));
  if (state === "open") loadPanel();
});
connection.addEventListener("forgotten", () => turns.note("The server has forgotten the conversation above: this is a new one."));
connection.on("error", ({ error }) => report(error));
connection.on("session.created", ({ session }) => voices.follow(session.audio?.output?.voice));
connection.on("session.updated", ({ session }) => (voices.current = session.audio?.output?.voice));
connection.on("assistant.voice.changed", ({ voice, description }) => {
  voices.current = voice;
  announcer.say(`The voice is now ${voice}: ${description}`);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && connection.state === "waiting") connection.wake();
});

let panelLoaded = false;
function loadPanel() {
  if (panelLoaded) return;
  panelLoaded = true;
  voices.load();
  tools.load();
}

/** Before the user talks: the sound may play from now on, and holding the button interrupts. */
async function beforeTalk({ interrupts }) {
  problems.hide();
  if (interrupts) answers.stop();
  await Promise.all([speaker.open(), connection.ready()]);
  meter.start();
}

async function say(text) {
  await beforeTalk({ interrupts: true });
  waits.ended();
  await answers.settled();
  const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
  connection.send({ type: "conversation.item.create", item });
  connection.send({ type: "response.create" });
  textBox.clear();
}

textBox.addEventListener("say", ({ detail }) => say(detail).catch(report));
tools.addEventListener("say", ({ detail }) => say(detail).catch(report));
voices.addEventListener("pick", ({ detail: voice }) => {
  const session = { type: "realtime", audio: { output: { voice } } };
  if (!connection.send({ type: "session.update", session })) report(NO_CONNECTION);
});
voices.addEventListener("preview", ({ detail: plays }) => {
  talk.muted = plays; // or the assistant would hear the voice, and answer it
  meter.start();
});

const talkButton = new TalkButton({ talk, begin: beforeTalk, report });
byId("stop").addEventListener("click", () => answers.stop());
byId("retry-now").addEventListener("click", () => connection.wake());
installShortcuts({ talkButton, stop: () => answers.stop(), openPanel: (id) => panel.openAt(id) });
begin();
