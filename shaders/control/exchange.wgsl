// What it costs that workgroups wait for each other: in each round every workgroup says one word and reads those of all,
// which carry the parity of their round in the last bit, as in decode/fused_subgroup.wgsl. Two rows of slots take turns, so
// that none is written again before all have read it. Each slot has a cache line of its own: where many write to one line
// while all read it, a round takes longer than the trip of a word.

override WORKGROUPS: u32 = 2;        // at most WORKGROUP_SIZE
override WORKGROUP_SIZE: u32 = 64;
override ROUNDS: u32 = 64;
override PATIENCE: u32 = 1048576;
override ASK_BY_WRITING: bool = false;   // where a compiler takes a load for one whose value cannot change (llvmpipe)
override APART: u32 = 32;            // words from one slot to the next

@group(0) @binding(0) var<storage, read_write> slots: array<atomic<u32>>;   // two rows of WORKGROUPS, zero at first
@group(0) @binding(1) var<storage, read_write> sums: array<u32>;           // of each thread: of all that it read

fn asked(slot: u32) -> u32 {
    if ASK_BY_WRITING {
        return atomicOr(&slots[slot * APART], 0u);
    }
    return atomicLoad(&slots[slot * APART]);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn exchange(@builtin(workgroup_id) workgroup_id: vec3u, @builtin(local_invocation_index) thread: u32) {
    var sum = 0u;
    var patience = PATIENCE;
    for (var round = 0u; round < ROUNDS; round++) {
        let row = (round & 1u) * WORKGROUPS;
        let tag = ((round >> 1u) + 1u) & 1u;
        if thread == 0u {
            atomicStore(&slots[(row + workgroup_id.x) * APART], ((round + workgroup_id.x) << 1u) | tag);
        }
        if thread < WORKGROUPS {
            var word = asked(row + thread);
            for (var polls = 0u; (word & 1u) != tag && polls < patience; polls++) {
                word = asked(row + thread);
            }
            if (word & 1u) != tag {
                patience = 0u;
            }
            sum += word >> 1u;
        }
        workgroupBarrier();
    }
    sums[workgroup_id.x * WORKGROUP_SIZE + thread] = sum;
}
