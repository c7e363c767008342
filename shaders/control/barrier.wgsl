// What a barrier costs: in each round every thread of one workgroup takes its neighbour's value, through workgroup memory
// (`workgroup_barrier`) or through storage (`storage_barrier`). One barrier a round is enough, since rounds read and write
// two sides in turn.

override WORKGROUP_SIZE: u32 = 64;
override ROUNDS: u32 = 1024;         // even

@group(0) @binding(0) var<storage, read_write> values: array<u32>;   // two sides; the first is the output

override PLACES: u32 = 2u * WORKGROUP_SIZE;
var<workgroup> places: array<u32, PLACES>;

fn side(round: u32) -> u32 {
    return (round & 1u) * WORKGROUP_SIZE;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn workgroup_barrier(@builtin(local_invocation_index) thread: u32) {
    let neighbour = (thread + 1u) % WORKGROUP_SIZE;
    places[thread] = thread;
    workgroupBarrier();
    for (var round = 0u; round < ROUNDS; round++) {
        places[side(round + 1u) + thread] = places[side(round) + neighbour];
        workgroupBarrier();
    }
    values[thread] = places[thread];
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn storage_barrier(@builtin(local_invocation_index) thread: u32) {
    let neighbour = (thread + 1u) % WORKGROUP_SIZE;
    values[thread] = thread;
    storageBarrier();
    for (var round = 0u; round < ROUNDS; round++) {
        values[side(round + 1u) + thread] = values[side(round) + neighbour];
        storageBarrier();
    }
}
