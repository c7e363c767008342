//! What a prompt in tiles meets: the terms of `shaders/modules/prompt.wgsl` and its parts, one function for each.

use super::{Covered, Sizes, Work};
use crate::workload::decode::format::Format;
use crate::workload::decode::operations::{self, Operations, Place};
use crate::workload::decode::tile::{MEMBERS, ROWS, TOGETHER};

impl Sizes<'_> {
    /// Tokens that are fed together; 1 where each is fed alone.
    pub(super) fn tile(&self) -> u32 {
        self.kernel.constants.get("TILE").map_or(1, |&tile| tile as u32)
    }

    /// Of the prompt without its last token, as far as a dispatch covers it, and where it goes on from.
    pub(super) fn read_prompt(&self, operations: &Operations, covered: &Covered) -> (Work, Place) {
        let Covered { prompt_tokens, first, end } = covered;
        let last = prompt_tokens - 1;
        let (mut work, mut at) = (Work::default(), *first);
        while at.step < last && (at.step < end.step || (end.operation > 0 && at.step == end.step)) {
            let ends_here = at.step == end.step;
            let members = self.tile().min(last - at.step);
            let until = if ends_here { end.operation } else { operations.norm_f };
            work += self.of_tile(operations, at, members, until);
            if ends_here {
                break;
            }
            at = Place { step: at.step + members, operation: 0 };
            if at.step == last && self.covers(operations::MLP) {
                work += Work { barriers: 1, rounds: self.together(), multiply_adds: 0 };
            }
        }
        (work, at)
    }

    fn covers(&self, kind: u32) -> bool {
        self.get("COVERS") >> kind & 1 == 1
    }

    fn of_tile(&self, operations: &Operations, from: Place, members: u32, until: u32) -> Work {
        let cuts_tokens = self.get("COVERS") != u64::from(operations::ALL_KINDS);
        let mut work = Work::default();
        for depth in (from.operation.max(1) - 1) / operations::LAYER_OPERATIONS..operations.n_layer {
            if cuts_tokens && until <= Operations::of_layer(depth) {
                break;
            }
            for kind in (0..operations::LAYER_OPERATIONS).filter(|&kind| self.covers(kind)) {
                work += self.of_members(kind, depth, from.step, members);
            }
        }
        work
    }

    fn of_members(&self, kind: u32, depth: u32, step: u32, members: u32) -> Work {
        let [embd4, heads4, inner4] = ["N_EMBD4", "HEADS4", "N_INNER4"].map(|name| self.get(name));
        match kind {
            operations::NORM_1 => self.norms(depth > 0, members),
            operations::QUERY_KEY_VALUE => {
                self.matrix_of_members("QUERY_KEY_VALUE", embd4, 4 * (heads4 + 2 * self.get("KEYS4")), 1, members)
            }
            operations::ATTENTION => self.attention_of_members(step, members),
            operations::PROJECTION => self.matrix_of_members("PROJECTION", heads4, 4 * embd4, 1, members),
            operations::NORM_2 => self.norms(true, members),
            operations::FC => self.matrix_of_members("FC", embd4, 4 * inner4, self.get("GATES"), members),
            _ => self.matrix_of_members("MLP", inner4, 4 * embd4, 1, members),
        }
    }

    /// Those of the first workgroup's members, of the embedding or of a stream that others made.
    fn norms(&self, is_received: bool, members: u32) -> Work {
        let own = u64::from(members).div_ceil(self.get("WORKGROUPS"));
        let rounds = if is_received { own * self.together() } else { 0 };
        let each = u64::from(self.is("WHOLE")) + self.norm().barriers + 1;
        Work { barriers: own * each, rounds, multiply_adds: 0 }
    }

    /// As `linear_of_members` of `prompt_rows.wgsl`.
    fn matrix_of_members(&self, name: &str, in4: u64, outputs: u64, gates: u64, members: u32) -> Work {
        let [lanes, slices] = ["LANES", "SLICES"].map(|what| self.get(&format!("TILE_{name}_{what}")));
        let format = Format::ALL[self.get(&format!("{name}_FORMAT")) as usize];
        let in_chunk = u64::from(format.vec4_in_chunk());
        let split = if ["PROJECTION", "MLP"].contains(&name) { self.get("SPLIT") } else { 1 };
        let member_groups = (u64::from(self.tile()) / split).div_ceil(u64::from(MEMBERS));
        let at_a_time = u64::from(ROWS) * (self.get("WORKGROUP_SIZE") / lanes / slices / member_groups);
        let turns = (outputs.div_ceil(self.get("WORKGROUPS") / split) * gates).div_ceil(at_a_time);
        let steps = in4.div_ceil(in_chunk).div_ceil(lanes * slices);
        let takes = turns * steps.div_ceil(self.get("INPUT4") * split / (in_chunk * lanes * slices));
        Work {
            multiply_adds: 4 * in4 * gates * outputs * u64::from(members),
            barriers: 2 * takes + turns * (1 + 2 * u64::from(slices > 1)),
            rounds: takes * self.together(),
        }
    }

    /// As `attention_of_members` of `prompt_attention.wgsl`.
    fn attention_of_members(&self, step: u32, members: u32) -> Work {
        let [heads, head4, shared] = ["N_HEAD", "HEAD4", "SHARED"].map(|name| self.get(name));
        let brought = self.get("BROUGHT") as u32;
        let passes = (heads / shared).div_ceil(self.get("WORKGROUPS") * self.get("TEAMS"));
        let brings = || (0..members).step_by(brought as usize).map(|first| brought.min(members - first));
        let groups: u64 = brings().map(|count| u64::from(count.div_ceil(TOGETHER))).sum();
        let pairs: u64 = (step..step + members).map(|position| u64::from(position) + 1).sum();
        Work {
            multiply_adds: 2 * 4 * heads * head4 * pairs,
            barriers: passes * (brings().count() as u64 + 2 * shared * groups),
            rounds: passes * brings().count() as u64 * self.together(),
        }
    }
}
