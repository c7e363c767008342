// What each way of dispatching took for one and the same request: the ladder, as a visitor feels it.

import { element } from "./element.js";
import { plural, three } from "./words.js";

const WAYS = { generation: "One dispatch", token: "One per token", operation: "One per operation" };

export class Tried {
  constructor(place) {
    this.place = place;
    this.forget();
  }

  forget() {
    this.asked = null;
    /** What was made, by span. */
    this.made = new Map();
    this.place.replaceChildren();
    this.place.hidden = true;
  }

  /** Adds what `span` made of the request: `{tokens, dispatches, wall_ns}`. Another request begins anew. */
  add(request, span, made) {
    const asked = JSON.stringify(request, (_, value) => (typeof value === "bigint" ? String(value) : value));
    if (asked !== this.asked) this.forget();
    this.asked = asked;
    this.made.set(span, made);
    const head = ["Way", "Dispatches", "Time", "Tokens/s"];
    const table = element("table", {},
      element("thead", {}, element("tr", {}, ...head.map((name, column) => element("th", { scope: "col", class: column > 0 ? "number" : "" }, name)))),
      element("tbody", {}, ...this.#rows()));
    const word = this.#word();
    this.place.replaceChildren(table, ...(word ? [element("p", { class: "quiet" }, word)] : []));
    this.place.hidden = false;
  }

  #rows() {
    const order = Object.keys(WAYS);
    const place = ([span]) => (order.includes(span) ? order.indexOf(span) : order.length);
    return [...this.made].sort((a, b) => place(a) - place(b)).map(([span, { tokens, dispatches, wall_ns }]) => {
      const numbers = [dispatches.toLocaleString("en"), `${three(wall_ns / 1e6)} ms`, three((tokens.length / wall_ns) * 1e9)];
      return element("tr", {}, element("th", { scope: "row" }, wayOf(span)),
        ...numbers.map((number) => element("td", { class: "number" }, number)));
    });
  }

  /** Whether the texts are the same. */
  #word() {
    const [first, ...others] = [...this.made.values()].map(({ tokens }) => tokens);
    if (others.length === 0) return "The other ways give the same text, at other speeds: try them.";
    const differs = (tokens) => first.findIndex((token, index) => token !== tokens[index]);
    const at = Math.min(...others.map(differs).filter((index) => index >= 0));
    return at === Infinity ? "The same text each time." : `The texts differ from new token ${at + 1} on.`;
  }
}

function wayOf(span) {
  const [, tokens] = span.match(/^chunk:(\d+)$/) ?? [];
  return tokens ? `One per ${plural(Number(tokens), "token")}` : WAYS[span];
}
