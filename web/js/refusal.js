// What a visitor can mend or has to know: a sentence that is shown as it stands.

/** An error whose message is a plain sentence for the page. */
export class Refusal extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "Refusal";
  }
}
