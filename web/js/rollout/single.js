// Single steps of an arm, from states that the oracle visited: the twin of `check_single` in `src/measure/episodes.rs`. Whole
// episodes can be chaotic; in one step no rounding error has had time to grow.

import { Prepared } from "../executor.js";

/**
 * What one step makes of each state that `single` of a case's file has: `{single_episodes, single_states}`, as the buffers
 * `episodes` and `states` of its program of this arm and workgroup size hold them. `blocks` are those of the whole case.
 */
export async function singleSteps(gpu, { single, rollout }, { arm, workgroup_size }, { source, blocks, initial }) {
  const { program } = single.programs.find((other) => other.arm === arm && other.workgroup_size === workgroup_size);
  const genomes = gathered(new Float32Array(blocks.genomes.buffer), rollout.population, single.of);
  const prepared = await Prepared.of(gpu, program, { blocks: { ...blocks, genomes: genomes.buffer, initial }, source });
  try {
    await prepared.run("one-submit");
    return { single_episodes: await prepared.read("episodes"), single_states: await prepared.read("states") };
  } finally {
    prepared.destroy();
  }
}

/** The columns `of` of a matrix with `columns` columns, row by row. */
function gathered(values, columns, of) {
  const rows = values.length / columns;
  return Float32Array.from({ length: rows * of.length }, (_, at) => values[Math.floor(at / of.length) * columns + of[at % of.length]]);
}
