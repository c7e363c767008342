// As little as a dispatch can do: one thread adds one. A run's count of dispatches can be read off it.

@group(0) @binding(0) var<storage, read_write> count: array<u32>;

@compute @workgroup_size(1)
fn empty() {
    count[0] += 1u;
}
