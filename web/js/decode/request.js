// What is asked of a model, as plain data: `{prompt, new_tokens, sampling, end_token}`.
//
// `prompt` is a list of token ids; `sampling` is null for greedy, else `{temperature, top_k, seed}`; `end_token` may be null.
// The twin of `src/workload/decode/request.rs` and of `Request` in `model.rs`.

import { Refusal } from "../refusal.js";

/** In place of a token that was not made. */
export const NONE = 0xffffffff;

/** Tokens that are fed to the model, and so positions of the KV cache: all but the last new one. */
export const positionsOf = (request) => request.prompt.length + request.new_tokens - 1;

/** Refuses a request that the model cannot carry out. */
export function validateRequest({ vocab_size, n_positions }, request) {
  const { prompt, new_tokens, sampling, end_token } = request;
  if (prompt.length === 0) throw new Refusal("The prompt is empty; give at least one token.");
  if (!Number.isInteger(new_tokens) || new_tokens < 1) throw new Refusal("No new token is asked for; give at least 1.");
  const wrong = prompt.findIndex((token) => !Number.isInteger(token) || token < 0 || token >= vocab_size);
  if (wrong >= 0) {
    throw new Refusal(`Prompt token ${wrong} is ${prompt[wrong]}; the model's vocabulary is 0 to ${vocab_size - 1}.`);
  }
  const needed = positionsOf(request);
  if (needed > n_positions) {
    throw new Refusal(
      `A prompt of ${prompt.length} and ${new_tokens} new tokens take ${needed} positions; the model has ${n_positions}; ask for fewer.`,
    );
  }
  if (end_token !== null && !(end_token >= 0 && end_token < vocab_size)) {
    throw new Refusal(`The end token is ${end_token}; the model's vocabulary is 0 to ${vocab_size - 1}.`);
  }
  if (sampling) {
    const { temperature, top_k } = sampling;
    if (!(Number.isFinite(temperature) && Math.fround(temperature) > 1.1754942e-38)) {
      throw new Refusal(`The temperature is ${temperature}; give a number above 0, or none for greedy decoding.`);
    }
    if (!(Number.isInteger(top_k) && top_k >= 1 && top_k <= vocab_size)) {
      throw new Refusal(`Top-k is ${top_k}; it must be from 1 to the vocabulary's ${vocab_size}.`);
    }
  }
}

/** The new tokens in the words of the buffer `tokens`: all that a kernel wrote. */
export function newTokens(request, words) {
  const made = words.subarray(request.prompt.length);
  const unwritten = made.indexOf(NONE);
  return Array.from(unwritten < 0 ? made : made.subarray(0, unwritten));
}
