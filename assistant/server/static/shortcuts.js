/** The keyboard. Space and letters act only where they would not be typed, or press something else. */

import { byId } from "./dom.js";

const KEY = "assistant.shortcuts";
const TYPES = "input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]";
const PRESSES = `${TYPES}, button, a, summary, input`;

export function installShortcuts({ talkButton, stop, openPanel }) {
  const letters = { "/": () => byId("say").focus(), v: () => openPanel("voice-search"), "?": () => openPanel("shortcuts") };
  const enabled = byId("shortcuts-on");
  enabled.checked = localStorage.getItem(KEY) !== "off";
  enabled.addEventListener("change", () => localStorage.setItem(KEY, enabled.checked ? "on" : "off"));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || byId("key-dialog").open) return;
    if (event.key === "Escape") stop();
    else if (event.key === " " && talks(event.target)) pressed(event);
    else if (enabled.checked && letters[event.key] && !event.target.matches(TYPES)) {
      event.preventDefault();
      letters[event.key]();
    }
  });
  document.addEventListener("keyup", (event) => {
    if (event.key !== " " || !talks(event.target)) return;
    event.preventDefault(); // the click that a button would make of it
    talkButton.release();
  });

  function pressed(event) {
    event.preventDefault();
    if (!event.repeat) talkButton.press();
  }
}

function talks(target) {
  return target.id === "talk" || !target.closest(PRESSES);
}
