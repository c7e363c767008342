// Reads one small buffer over and over, in every thread: the bandwidth of the caches, which no row may exceed.
// Four sums are kept apart so that four loads are under way at once. No two loads of a thread that follow each other are of
// one address, so none can be merged, and each thread writes its sum, so none can be left out.

override WORKGROUP_SIZE: u32 = 64;
override VEC4S: u32 = 1024;          // of the small buffer; a power of two
override LOADS: u32 = 1024;          // per thread; a multiple of 4

// In vec4f, from one load of a thread to its next: five lines of 128 bytes, so that neighbouring threads still share lines.
const STRIDE: u32 = 40u;

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn cached_read(@builtin(global_invocation_id) id: vec3u) {
    var a = vec4f(0.0);
    var b = vec4f(0.0);
    var c = vec4f(0.0);
    var d = vec4f(0.0);
    for (var i = 0u; i < LOADS; i += 4u) {
        let at = id.x + i * STRIDE;
        a += source[at & (VEC4S - 1u)];
        b += source[(at + STRIDE) & (VEC4S - 1u)];
        c += source[(at + 2u * STRIDE) & (VEC4S - 1u)];
        d += source[(at + 3u * STRIDE) & (VEC4S - 1u)];
    }
    sums[id.x] = dot(a + b + c + d, vec4f(1.0));
}
