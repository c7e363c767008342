// Elements of the page by id, and new ones.

/** The element with this id. */
export const the = (id) => document.getElementById(id);

/** A new element with properties (`class` for className) and children; text is never read as HTML. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Says something in a status line; `bad` marks it as an error. */
export function say(id, text, { bad = false } = {}) {
  const line = the(id);
  line.textContent = text;
  line.classList.toggle("notice", bad);
  line.classList.toggle("bad", bad);
}
