/** Light, dark, or as the system is. Kept for the next visit. */

import { byId, changeIcon } from "./dom.js";

const KEY = "assistant.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const ICONS = { system: "half", light: "sun", dark: "moon" };

export function installTheme(onChange) {
  const button = byId("theme");
  const show = (theme) => {
    document.documentElement.dataset.theme = theme;
    changeIcon(button, ICONS[theme]);
    button.setAttribute("aria-label", `Colors: ${theme}`);
    onChange();
  };
  button.addEventListener("click", () => {
    const theme = NEXT[document.documentElement.dataset.theme];
    localStorage.setItem(KEY, theme);
    show(theme);
  });
  const kept = localStorage.getItem(KEY);
  show(kept in NEXT ? kept : "system");
}
