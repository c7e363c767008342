// Causal attention of one token, one workgroup per head: the head's key and value join the cache, every position up to this
// one is scored, and the values are added up with their softmax weights.
//
// Threads share out positions for the scores, then columns of four outputs and slices of the positions.

override WORKGROUP_SIZE: u32 = 64;
override HEAD4: u32 = 4;             // of one head, in vec4f
override HEADS4: u32 = 8;            // of all heads
override POSITIONS: u32 = 64;        // that the cache holds
override SCALE: f32 = 0.25;

@group(0) @binding(0) var<storage, read> state: array<u32>;           // position, whether generation has ended, logits' row
@group(0) @binding(1) var<storage, read> query_key_value: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> cache: array<vec4f>;   // [key, value][position][HEADS4] of this layer
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;    // [head][POSITIONS]
@group(0) @binding(4) var<storage, read_write> attended: array<vec4f>;

var<workgroup> maxima: array<f32, WORKGROUP_SIZE>;
var<workgroup> totals: array<f32, WORKGROUP_SIZE>;
var<workgroup> partial: array<vec4f, WORKGROUP_SIZE>;

const LOWEST: f32 = -3.4028234e38;

@compute @workgroup_size(WORKGROUP_SIZE)
fn attention(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3u) {
    if state[1] != 0u {
        return;
    }
    let position = state[0];
    let head = group.x;
    for (var i = thread; i < HEAD4; i += WORKGROUP_SIZE) {
        cache[key_at(position, head) + i] = query_key_value[HEADS4 + head * HEAD4 + i];
        cache[value_at(position, head) + i] = query_key_value[2u * HEADS4 + head * HEAD4 + i];
    }
    storageBarrier();

    var largest = LOWEST;
    for (var at = thread; at <= position; at += WORKGROUP_SIZE) {
        var score = 0.0;
        for (var i = 0u; i < HEAD4; i++) {
            score += dot(query_key_value[head * HEAD4 + i], cache[key_at(at, head) + i]);
        }
        score *= SCALE;
        scores[head * POSITIONS + at] = score;
        largest = max(largest, score);
    }
    maxima[thread] = largest;
    workgroupBarrier();
    storageBarrier();
    for (var other = 0u; other < min(WORKGROUP_SIZE, position + 1u); other++) {
        largest = max(largest, maxima[other]);
    }

    let slices = WORKGROUP_SIZE / HEAD4;
    let slice = thread / HEAD4;
    var sum = vec4f(0.0);
    var total = 0.0;
    if slice < slices {
        for (var at = slice; at <= position; at += slices) {
            let share = exp(scores[head * POSITIONS + at] - largest);
            sum += share * cache[value_at(at, head) + thread % HEAD4];
            total += share;
        }
    }
    partial[thread] = sum;
    totals[thread] = total;
    workgroupBarrier();
    if thread < HEAD4 {
        for (var other = 1u; other < slices; other++) {
            sum += partial[other * HEAD4 + thread];
            total += totals[other * HEAD4 + thread];
        }
        attended[head * HEAD4 + thread] = sum / total;
    }
}

fn key_at(at: u32, head: u32) -> u32 {
    return at * HEADS4 + head * HEAD4;
}

fn value_at(at: u32, head: u32) -> u32 {
    return (POSITIONS + at) * HEADS4 + head * HEAD4;
}
