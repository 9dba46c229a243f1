// Builds nodes. Text is only ever text: nothing here, or in any other file, parses markup.

/** An element with attributes and children; strings become text, null and undefined nothing. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  set(node, attributes);
  node.append(...children.flat().filter((child) => child != null));
  return node;
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  set(node, attributes);
  node.append(...children);
  return node;
}

export function set(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value === false || value == null) node.removeAttribute(key);
    else node.setAttribute(key, value);
  }
}

export const byId = (id) => document.getElementById(id);

/** Replaces the text only when it changed, so that nothing is announced twice. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
