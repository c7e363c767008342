// Layer norm of one vector by one workgroup: (x - mean) / sqrt(variance + epsilon) * weight + bias.
//
// Each thread keeps its elements' sum, then their squared deviations from the mean; both are added up in a tree.

override WORKGROUP_SIZE: u32 = 64;   // a power of two
override N_EMBD: u32 = 32;
override N_EMBD4: u32 = 8;
override EPSILON: f32 = 1e-5;

@group(0) @binding(0) var<storage, read> state: array<u32>;   // position, whether generation has ended, logits' row
@group(0) @binding(1) var<storage, read> stream: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> normed: array<vec4f>;

var<workgroup> partial: array<f32, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn norm(@builtin(local_invocation_index) thread: u32) {
    if state[1] != 0u {
        return;
    }
    var sum = 0.0;
    for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
        sum += dot(stream[i], vec4f(1.0));
    }
    let mean = add_up(sum, thread) / f32(N_EMBD);
    var squares = 0.0;
    for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
        let deviation = select(vec4f(0.0), stream[i] - mean, 4u * i + vec4u(0u, 1u, 2u, 3u) < vec4u(N_EMBD));
        squares += dot(deviation, deviation);
    }
    let scale = inverseSqrt(add_up(squares, thread) / f32(N_EMBD) + EPSILON);
    for (var i = thread; i < N_EMBD4; i += WORKGROUP_SIZE) {
        normed[i] = (stream[i] - mean) * scale * weight[i] + bias[i];
    }
}

fn add_up(value: f32, thread: u32) -> f32 {
    workgroupBarrier();
    partial[thread] = value;
    workgroupBarrier();
    for (var half = WORKGROUP_SIZE / 2u; half > 0u; half /= 2u) {
        if thread < half {
            partial[thread] += partial[thread + half];
        }
        workgroupBarrier();
    }
    return partial[0];
}
