// What every kernel is told of a model: sizes as pipeline constants, weights and activations in storage, and a request for each
// sequence. Widths are padded with zeros to multiples of 4; sizes named *4 count vec4f.

override WORKGROUPS: u32 = 1;        // of a sequence
override WORKGROUP_SIZE: u32 = 64;
override WHOLE: bool = true;         // whether the longest vector fits workgroup memory; else it comes in tiles
override NEAR: bool = true;          // WHOLE, and of one workgroup: vectors stay there between operations
override N_LAYER: u32 = 1;
override N_HEAD: u32 = 2;
override N_EMBD: u32 = 32;
override N_EMBD4: u32 = 8;
override HEAD4: u32 = 4;             // of one head
override HEADS4: u32 = 8;            // N_HEAD * HEAD4
override GROUP: u32 = 1;             // heads that share a key and a value
override KEYS4: u32 = 8;             // of the keys of a position: HEADS4 / GROUP
override SHARED: u32 = 1;            // heads that share a key in the cache: GROUP, or 1, where each has its own copy
override CACHE4: u32 = 8;            // of the keys of a position in the cache: HEADS4 / SHARED
override N_INNER4: u32 = 32;
override VOCAB_SIZE: u32 = 64;
override VOCAB4: u32 = 16;
override POSITIONS: u32 = 64;        // that the KV cache holds
override EPSILON: f32 = 1e-5;
override SCALE: f32 = 0.25;          // of attention scores
override SCALE_BY_LAYER: bool = false;   // whether they are divided by the layer's number as well, from 1 on
override SAMPLED: bool = false;      // whether tokens are drawn, or logits penalised; else the likeliest is taken

// How families of models differ.
override ROOT_MEAN_SQUARE: bool = false;   // whether norms leave the mean where it is
override ROTARY: bool = false;       // whether positions turn queries and keys; else each has a row that is added to the stream
override QUERY_KEY_NORM: bool = false;   // whether each head's query and key have a norm of their own
override HEAD_DIM: u32 = 16;         // without padding
override ACTIVATION: u32 = 0;        // GELU by tanh, GELU by the error function, SiLU
override GATES: u32 = 1;             // rows of FC for each inner value: 2 where a gate is multiplied with another row

// Where each tensor starts in its buffer, in vec4u; those of a layer count from the layer's start.
override WTE: u32 = 0;
override WPE: u32 = 0;               // or cosine and sine of each pair of a head, where positions turn
override LAYERS: u32 = 0;
override LAYER_STRIDE: u32 = 0;
override MATRICES: u32 = 0;          // of the first layer; in parts, from the part's start
override ATTENTION_STRIDE: u32 = 0;
override FC_STRIDE: u32 = 0;
override MLP_STRIDE: u32 = 0;
override TIED: bool = true;
override LN_1_WEIGHT: u32 = 0;
override LN_1_BIAS: u32 = 0;
override ATTN_C_ATTN_WEIGHT: u32 = 0;
override ATTN_C_ATTN_BIAS: u32 = 0;
override ATTN_C_PROJ_WEIGHT: u32 = 0;
override ATTN_C_PROJ_BIAS: u32 = 0;
override LN_2_WEIGHT: u32 = 0;
override LN_2_BIAS: u32 = 0;
override Q_NORM_WEIGHT: u32 = 0;
override K_NORM_WEIGHT: u32 = 0;
override MLP_C_FC_WEIGHT: u32 = 0;
override MLP_C_FC_BIAS: u32 = 0;
override MLP_C_PROJ_WEIGHT: u32 = 0;
override MLP_C_PROJ_BIAS: u32 = 0;
override LN_F_WEIGHT: u32 = 0;
override LN_F_BIAS: u32 = 0;
override LM_HEAD: u32 = 0;           // WTE, where it is tied

@group(0) @binding(1) var<storage, read_write> cache: array<vec4f>;   // [sequence][layer][position][key, value][CACHE4]
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;    // [row][4 VOCAB4]
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;    // prompt, then new tokens
@group(0) @binding(4) var<storage, read> requests: array<Request>;
@group(0) @binding(5) var<storage, read_write> exchange: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> gave_up: atomic<u32>;

struct Request {
    prompt_tokens: u32,
    cached: u32,            // of these, the ones whose keys and values are there: no dispatch feeds them
    end_token: u32,         // generation ends with it; no token where there is none
    other_ends: u32,        // whether it ends with these too, which are no token where there are fewer
    end_token_2: u32,
    end_token_3: u32,
    end_token_4: u32,
    end_token_5: u32,
    end_token_6: u32,
    end_token_7: u32,
    end_token_8: u32,
    logits_stride: u32,     // from one new token's logits to the next's, in vec4f; 0 keeps the last ones alone
    top_k: u32,
    temperature: f32,
    seed_low: u32,
    seed_high: u32,
    first_token: u32,       // where its tokens start in `tokens`
    first_logits: u32,      // where its logits start in `logits`
    first_step: u32,        // the span of this dispatch: the token that is fed first, and the operation that comes first of it
    first_operation: u32,
    end_step: u32,          // and the first token and operation that are left to the next dispatch
    end_operation: u32,
}

// Private variables count as non-uniform, so nothing with a barrier inside depends on these.
var<private> sequence: u32;
var<private> request: Request;
var<private> workgroup_index: u32;   // among those of the sequence
var<private> thread: u32;
var<private> position: u32;
var<private> fed: u32;               // the token at that position
var<private> layer: u32;

// Whether the generation of a request ends with `token`, which is one. The others are read where they are asked for, so that a
// model with one end token holds no registers for them.
fn ends(of_request: u32, token: u32) -> bool {
    if token == requests[of_request].end_token {
        return true;
    }
    if requests[of_request].other_ends == 0u {
        return false;
    }
    let others = requests[of_request];
    let first = vec4u(others.end_token_2, others.end_token_3, others.end_token_4, others.end_token_5);
    let last = vec3u(others.end_token_6, others.end_token_7, others.end_token_8);
    return any(first == vec4u(token)) || any(last == vec3u(token));
}

fn vector(at: u32) -> vec4f {
    return bitcast<vec4f>(weights[at]);
}

// A matrix over a vector. What its outputs become depends on which it is.
struct Matrix {
    stage: u32,
    weight: u32,
    bias: u32,
    input: u32,        // region of `hidden`, where vectors are whole
    in4: u32,
    rows: u32,         // outputs; of FC inner values, each of GATES rows
}

const QUERY_KEY_VALUE: u32 = 0u;
const PROJECTION: u32 = 1u;
const FC: u32 = 2u;
const MLP: u32 = 3u;
const LOGITS: u32 = 4u;
const EMBEDDING: u32 = 5u;           // no matrix: its rows are looked up

fn matrix(stage: u32, of_layer: u32) -> Matrix {
    let at = LAYERS + of_layer * LAYER_STRIDE;
    let of_attention = MATRICES + of_layer * ATTENTION_STRIDE;
    switch stage {
        case QUERY_KEY_VALUE: {
            return Matrix(stage, of_attention + ATTN_C_ATTN_WEIGHT, at + ATTN_C_ATTN_BIAS, NORMED, N_EMBD4, 4u * (HEADS4 + 2u * KEYS4));
        }
        case PROJECTION: {
            return Matrix(stage, of_attention + ATTN_C_PROJ_WEIGHT, at + ATTN_C_PROJ_BIAS, WIDE, HEADS4, 4u * N_EMBD4);
        }
        case FC: {
            return Matrix(stage, MATRICES + of_layer * FC_STRIDE + MLP_C_FC_WEIGHT, at + MLP_C_FC_BIAS, NORMED, N_EMBD4, 4u * N_INNER4);
        }
        case MLP: {
            return Matrix(stage, MATRICES + of_layer * MLP_STRIDE + MLP_C_PROJ_WEIGHT, at + MLP_C_PROJ_BIAS, WIDE, N_INNER4, 4u * N_EMBD4);
        }
        default: {
            // The head has no bias.
            return Matrix(stage, LM_HEAD, 0u, NORMED, N_EMBD4, VOCAB_SIZE);
        }
    }
}

fn attention_scale() -> f32 {
    return select(SCALE, SCALE / f32(layer + 1u), SCALE_BY_LAYER);
}

// Rows of a matrix that make one output together.
fn gates(m: Matrix) -> u32 {
    return select(1u, GATES, m.stage == FC);
}

fn activated(x: f32) -> f32 {
    switch ACTIVATION {
        case 0u: { return gelu(x); }
        case 1u: { return gelu_by_erf(x); }
        default: { return silu(x); }
    }
}

// gelu_new: 0.5 x (1 + tanh(u)) = x / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3). The bound keeps exp() finite.
fn gelu(x: f32) -> f32 {
    let u = 0.7978845608 * (x + 0.044715 * x * x * x);
    return x / (1.0 + exp(min(-2.0 * u, 80.0)));
}

// x Phi(x), with the error function's complement by Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26, which
// is off by at most 1.5e-7.
fn gelu_by_erf(x: f32) -> f32 {
    let z = 0.7071067812 * abs(x);
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let beyond = 0.5 * series * exp(-z * z);
    return x * select(beyond, 1.0 - beyond, x > 0.0);
}

fn silu(x: f32) -> f32 {
    return x / (1.0 + exp(min(-x, 80.0)));
}

// A query or key, of whose pairs each is turned by a position: `by` has their cosines and sines.
fn turned(x: vec4f, by: vec4f) -> vec4f {
    return x * by.xxzz + x.yxwz * by.yyww * vec4f(-1.0, 1.0, -1.0, 1.0);
}

//+ #import modules/counters.wgsl
