/** Elements without HTML in strings: whatever comes from outside goes in as text. */

const SVG = "http://www.w3.org/2000/svg";

/** An element. Properties that the element has are set, others become attributes. */
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** A symbol of index.html, as decoration. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Another symbol for a button that index.html has. */
export function changeIcon(button, name) {
  button.querySelector("use").setAttribute("href", `#icon-${name}`);
}

export function byId(id) {
  return document.getElementById(id);
}

/** At most so many characters, with a mark where there were more. */
export function clipped(text, most) {
  return text.length > most ? `${text.slice(0, most)} …` : text;
}
