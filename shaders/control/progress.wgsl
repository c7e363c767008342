// Whether the workgroups of a dispatch make progress together: the first thread of each arrives, and asks up to PATIENCE
// times whether all have. Those who see all of them are counted.

override WORKGROUP_SIZE: u32 = 64;
override PATIENCE: u32 = 16384;

@group(0) @binding(0) var<storage, read_write> arrived: atomic<u32>;
@group(0) @binding(1) var<storage, read_write> met: atomic<u32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn progress(@builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) thread: u32) {
    if thread == 0u {
        atomicAdd(&arrived, 1u);
        for (var polls = 0u; polls < PATIENCE; polls++) {
            // Asked by an operation that writes: llvmpipe takes a load in a loop for one whose value cannot change.
            if atomicOr(&arrived, 0u) == workgroups.x {
                atomicAdd(&met, 1u);
                break;
            }
        }
    }
    // Holds the workgroup's other threads, and so its place on the GPU, until the first one is done.
    workgroupBarrier();
}
