// Multiply-adds in registers, in every thread: the arithmetic ceiling, which no row may exceed. Sixteen chains (four vec4f)
// hide the latency of each other. With x -> x / 2 + 1 every chain tends to 2, which the check expects.

override WORKGROUP_SIZE: u32 = 64;
override ROUNDS: u32 = 256;          // 16 multiply-adds each; a multiple of 4

@group(0) @binding(0) var<storage, read> start: array<vec4f>;  // 4 vec4f: factor, and three starting points
@group(0) @binding(1) var<storage, read_write> ends: array<f32>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn multiply_add(@builtin(global_invocation_id) id: vec3u) {
    let factor = start[0];
    var a = start[1] + f32(id.x & 15u);
    var b = start[2];
    var c = start[3];
    var d = start[1] - start[2];
    // Four rounds in a row, so that the loop's own instructions are few beside them.
    for (var i = 0u; i < ROUNDS; i += 4u) {
        a = fma(a, factor, vec4f(1.0));
        b = fma(b, factor, vec4f(1.0));
        c = fma(c, factor, vec4f(1.0));
        d = fma(d, factor, vec4f(1.0));
        a = fma(a, factor, vec4f(1.0));
        b = fma(b, factor, vec4f(1.0));
        c = fma(c, factor, vec4f(1.0));
        d = fma(d, factor, vec4f(1.0));
        a = fma(a, factor, vec4f(1.0));
        b = fma(b, factor, vec4f(1.0));
        c = fma(c, factor, vec4f(1.0));
        d = fma(d, factor, vec4f(1.0));
        a = fma(a, factor, vec4f(1.0));
        b = fma(b, factor, vec4f(1.0));
        c = fma(c, factor, vec4f(1.0));
        d = fma(d, factor, vec4f(1.0));
    }
    ends[id.x] = dot(a + b + c + d, vec4f(1.0));
}
