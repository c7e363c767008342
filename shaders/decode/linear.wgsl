// One matrix over one vector: output = input weight + bias, then what STAGE says.
//
// A workgroup computes COLUMNS neighbouring columns of four outputs. SLICES threads share a column, each taking a part of
// the inputs; neighbouring threads read neighbouring columns. The slices' sums are added after a barrier.

override COLUMNS: u32 = 16;
override SLICES: u32 = 8;
override WORKGROUP_SIZE: u32 = 128;  // COLUMNS * SLICES
override IN4: u32 = 8;
override OUT4: u32 = 8;
override STAGE: u32 = 0;

const PLAIN: u32 = 0u;
const RESIDUAL: u32 = 1u;    // added to what is there
const GELU: u32 = 2u;
const HEAD: u32 = 3u;        // no bias; into the new token's row of the logits

@group(0) @binding(0) var<storage, read> state: array<u32>;    // position, whether generation has ended, logits' row
@group(0) @binding(1) var<storage, read> input: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>; // [4 * IN4][OUT4]
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;

var<workgroup> partial: array<vec4f, WORKGROUP_SIZE>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn linear(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
    if state[1] != 0u {
        return;
    }
    let column = group.x * COLUMNS + thread % COLUMNS;
    let slice = thread / COLUMNS;
    var sum = vec4f(0.0);
    if column < OUT4 {
        for (var i = slice * IN4 / SLICES; i < (slice + 1u) * IN4 / SLICES; i++) {
            let x = input[i];
            let row = 4u * i * OUT4 + column;
            sum += x.x * weight[row] + x.y * weight[row + OUT4]
                + x.z * weight[row + 2u * OUT4] + x.w * weight[row + 3u * OUT4];
        }
    }
    partial[thread] = sum;
    workgroupBarrier();
    if thread >= COLUMNS || column >= OUT4 {
        return;
    }
    for (var other = 1u; other < SLICES; other++) {
        sum += partial[other * COLUMNS + thread];
    }
    switch STAGE {
        case RESIDUAL: {
            output[column] += sum + bias[column];
        }
        case GELU: {
            output[column] = gelu(sum + bias[column]);
        }
        case HEAD: {
            output[state[2] + column] = sum;
        }
        default: {
            output[column] = sum + bias[column];
        }
    }
}

// gelu_new: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). The clamp keeps tanh implementations that go through
// exp() from overflowing; tanh is 1 in f32 from 9.01 on.
fn gelu(x: vec4f) -> vec4f {
    let inner = 0.7978845608 * (x + 0.044715 * x * x * x);
    return 0.5 * x * (1.0 + tanh(clamp(inner, vec4f(-10.0), vec4f(10.0))));
}
