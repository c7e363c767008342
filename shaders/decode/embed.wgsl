// The residual stream of a token: its embedding plus that of its position. One thread per vec4f.

override WORKGROUP_SIZE: u32 = 64;
override N_EMBD4: u32 = 8;
override VOCAB4: u32 = 16;

@group(0) @binding(0) var<storage, read> state: array<u32>;   // position, whether generation has ended, logits' row
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> wte: array<vec4f>;   // [N_EMBD][VOCAB4]
@group(0) @binding(3) var<storage, read> wpe: array<vec4f>;   // [position][N_EMBD4]
@group(0) @binding(4) var<storage, read_write> stream: array<vec4f>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn embed(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    if state[1] != 0u || i >= N_EMBD4 {
        return;
    }
    let token = tokens[state[0]];
    var row: vec4f;
    for (var j = 0u; j < 4u; j++) {
        row[j] = wte[(4u * i + j) * VOCAB4 + token / 4u][token % 4u];
    }
    stream[i] = row + wpe[state[0] * N_EMBD4 + i];
}
