// Whether an output is right: compared with what was computed in f64 when the page was made. NaN fails.
//
// Each check gives `{error, reason}`: the largest error, relative to the range of what is compared (null where there is none),
// and why it fails ("" where it passes). `onedispatch import` asks the oracle itself again.

const pass = (error) => ({ error, reason: "" });
const fail = (reason, error = null) => ({ error: Number.isFinite(error) ? error : null, reason });
const worse = (a, b) => ({ error: a.error === null || b.error === null ? null : Math.max(a.error, b.error), reason: a.reason || b.reason });

/** An output of a case; `outputs` maps names of buffers to their bytes. */
export function check(file, program, outputs) {
  if (file.workload === "decode") return checkDecode(file, outputs);
  if (file.workload === "rollout") return worse(checkRollout(file, outputs), checkSingle(file, outputs));
  return checkControl(file, program, outputs);
}

/** Names of the outputs that are checked and saved. */
export const checkedOutputs = (file, program) => ({
  decode: program.program.outputs,
  rollout: ["episodes", "states"],
  control: program.program.outputs,
})[file.workload];

function checkDecode({ expected, request, tolerance, config }, { tokens, logits, gave_up }) {
  if (gave_up && new Uint32Array(gave_up).some((word) => word !== 0)) return fail("a workgroup gave up waiting for another");
  const words = Array.from(new Uint32Array(tokens)).slice(request.prompt.length);
  const wrong = expected.tokens.findIndex((token, step) => words[step] !== token);
  if (wrong >= 0) return fail(`step ${wrong}: token ${words[wrong]}, expected ${expected.tokens[wrong]}`);
  const found = new Float32Array(logits).subarray(0, config.vocab_size);
  const wanted = expected.last_logits;
  const range = Math.max(...wanted) - Math.min(...wanted) || Math.max(Math.abs(wanted[0]), Number.MIN_VALUE);
  let largest = 0;
  for (let i = 0; i < wanted.length; i += 1) {
    const error = Math.abs(found[i] - wanted[i]) / range;
    if (!(error <= tolerance)) return fail(`the last logits: token ${i} has ${found[i]}, expected ${wanted[i].toFixed(6)}`, error);
    largest = Math.max(largest, error);
  }
  return pass(largest);
}

/** A whole turn of an angle makes no difference. */
const wrapped = (angle) => angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));

/** Episodes and last states of at most `steps` steps, or why they are none. */
function rolledOut(episodesBytes, statesBytes, steps) {
  const episodes = episodesOf(episodesBytes);
  const states = new Float32Array(statesBytes);
  const wrong = episodes.findIndex(({ episode_return, length, terminated }) =>
    !Number.isFinite(episode_return) || length < 1 || length > steps || (!terminated && length < steps));
  if (wrong >= 0) return { episodes, states, impossible: `individual ${wrong}: ${JSON.stringify(episodes[wrong])} is no episode` };
  return { episodes, states, impossible: states.every(Number.isFinite) ? "" : "a last state is not finite" };
}

/** Errors of an individual's state `[components][individuals]`, relative to each component's range. */
const stateErrors = (components, states, individuals, individual, wanted) => components.map(({ scale, is_angle }, component) => {
  const difference = states[component * individuals + individual] - wanted[component];
  return Math.abs(is_angle ? wrapped(difference) : difference) / scale;
});

/** Each single step has to lead where the oracle's does, or where it does by an action that nearly ties. */
function checkSingle({ expected, single, tolerance }, { single_episodes, single_states }) {
  const { episodes, states, impossible } = rolledOut(single_episodes, single_states, 1);
  if (impossible) return fail(`a single step: ${impossible}`);
  let [largest, compared] = [0, 0];
  for (const [individual, alternatives] of single.expected.entries()) {
    if (!alternatives) continue;
    const { episode_return, terminated } = episodes[individual];
    const errors = alternatives.map((wanted) => (terminated !== wanted.terminated ? 1 : Math.max(
      Math.abs(episode_return - wanted.reward) / expected.reward,
      ...stateErrors(expected.components, states, episodes.length, individual, wanted.state),
    )));
    const error = Math.min(...errors);
    compared += 1;
    if (!(error <= tolerance)) return fail(`a single step: state ${individual} is off by ${error.toExponential(1)} of its range`, error);
    largest = Math.max(largest, error);
  }
  if (compared === 0) return fail("a single step: nothing could be compared");
  return pass(largest);
}

function checkRollout({ expected, rollout, tolerance }, outputs) {
  const { episodes, states, impossible } = rolledOut(outputs.episodes, outputs.states, rollout.steps);
  if (impossible) return fail(impossible);
  let largest = 0;
  for (const wanted of expected.individuals) {
    const { individual } = wanted;
    const found = episodes[individual];
    if (found.length !== wanted.length || found.terminated !== wanted.terminated) {
      return fail(`individual ${individual}: ends after ${found.length} steps, expected ${wanted.length}`, 1);
    }
    const ofReturn = Math.abs(found.episode_return - wanted.episode_return) / (expected.reward * Math.max(wanted.length, 1));
    const ofState = stateErrors(expected.components, states, rollout.population, individual, wanted.state);
    const error = Math.max(ofReturn, ...ofState);
    if (!(error <= tolerance)) return fail(`individual ${individual}: off by ${error.toExponential(1)} of its range`, error);
    largest = Math.max(largest, error);
  }
  return pass(largest);
}

/** Episodes as the shaders leave them: return, length, whether it was terminated. */
export function episodesOf(bytes) {
  const words = new Uint32Array(bytes);
  const returns = new Float32Array(bytes);
  return Array.from({ length: words.length / 3 }, (_, i) => ({
    episode_return: returns[3 * i],
    length: words[3 * i + 1],
    terminated: words[3 * i + 2] === 1,
  }));
}

function checkControl({ tolerance }, { expected, program }, outputs) {
  const bytes = outputs[program.outputs[0]];
  if (expected.count !== undefined) {
    const [count] = new Uint32Array(bytes);
    return count === expected.count ? pass(0) : fail(`counted ${count}, expected ${expected.count}`, 1);
  }
  if (expected.words !== undefined) {
    const words = new Uint32Array(bytes);
    const wrong = expected.words.findIndex((word, i) => words[i] !== word);
    return wrong < 0 ? pass(0) : fail(`word ${wrong} is ${words[wrong]}, expected ${expected.words[wrong]}`, 1);
  }
  const found = new Float32Array(bytes);
  if (found.some((value) => !Number.isFinite(value))) return fail("the output is not finite");
  const error = Math.max(...expected.floats.map((wanted, i) => Math.abs(found[i] - wanted) / Math.abs(wanted)));
  return error <= tolerance ? pass(error) : fail(`the output is off by ${error.toExponential(1)} of what was expected`, error);
}
