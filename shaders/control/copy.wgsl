// Copies a buffer larger than any cache: the memory bandwidth that a kernel can reach. Each thread copies
// vec4f that lie a whole dispatch apart, so that neighbouring threads touch neighbouring memory.

override WORKGROUP_SIZE: u32 = 64;
override VEC4S: u32 = 1024;
override THREADS: u32 = 64;          // of the whole dispatch

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> destination: array<vec4f>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn copy(@builtin(global_invocation_id) id: vec3u) {
    for (var i = id.x; i < VEC4S; i += THREADS) {
        destination[i] = source[i];
    }
}
