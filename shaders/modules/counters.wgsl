// What a kernel counts in the build that counts: barriers, rounds and multiply-adds, in the last three words of `exchange`,
// which is that much longer there. Lines `//+` of other modules say where; barriers are counted wherever they stand.

const COUNTERS: u32 = 3u;
const BARRIERS: u32 = 0u;
const ROUNDS: u32 = 1u;
const MULTIPLY_ADDS: u32 = 2u;

var<private> is_own: bool;   // whether the row at hand is this thread's: other threads repeat some row, to no effect

fn add_to(counter: u32, amount: u32) {
    atomicAdd(&exchange[arrayLength(&exchange) - COUNTERS + counter], amount);
}

// Of each sequence, one thread of the first workgroup speaks for all.
fn speaks() -> bool {
    return thread == 0u && workgroup_index == 0u;
}

fn meets_barrier() {
    if speaks() {
        add_to(BARRIERS, 1u);
    }
}

fn meets_round() {
    if WORKGROUPS > 1u && speaks() {
        add_to(ROUNDS, 1u);
    }
}

fn multiplies(amount: u32) {
    add_to(MULTIPLY_ADDS, amount);
}
