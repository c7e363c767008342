// How operations hand on vectors: in workgroup memory, where one workgroup has all that comes next, else through `exchange`.
//
// Several workgroups need no barrier between them: a value is its own signal. The last bit of each word is the parity of the
// round in which it was written, so a reader asks again until the bit has turned. A slot is written again only after every
// workgroup has added to a stage in between, and none adds to a stage before it has read all of the stage before; so no reader
// misses a round, and relaxed atomics, coherent word by word, are enough. It costs a value its last bit.
//
// What an earlier dispatch wrote is there with the right bit: who begins in a new dispatch asks once, and waits for nobody.
//
// WGSL promises no progress between workgroups. A thread that asks PATIENCE times in vain stops waiting for good and says
// so in `gave_up`: what the kernel then makes is wrong, and soon over.

override PATIENCE: u32 = 1048576;
override ASK_BY_WRITING: bool = false;   // where a compiler takes a load for one whose value cannot change (llvmpipe)

// Slots: the stream after attention and after a layer, the norm of it, query-key-value, attended values, inner layer, and of
// each workgroup its best candidate (score, token and the score's last bit), a count, and a threshold; then those that only some
// ways to draw have.
const AFTER_ATTENTION: u32 = 0u;
override AFTER_LAYER: u32 = 4u * N_EMBD4;
override NORM: u32 = 8u * N_EMBD4;
override NORM_2: u32 = 12u * N_EMBD4;                // of a tile of the prompt, the norm behind attention
override QUERY: u32 = NORM_2 + select(0u, 4u * N_EMBD4, TILE > 1u);
override ATTENDED: u32 = QUERY + 4u * (HEADS4 + 2u * KEYS4);
override INNER: u32 = ATTENDED + 4u * HEADS4;
override BEST: u32 = INNER + 4u * N_INNER4;
override COUNT: u32 = BEST + 2u * WORKGROUPS;    // twice over: a round's counts are read while the next are written
override THRESHOLD: u32 = COUNT + 2u * WORKGROUPS;
override COUNT_HIGH: u32 = THRESHOLD + WORKGROUPS;   // the other halves of counts, where these are masses
override WEIGHING: u32 = COUNT_HIGH + 2u * WORKGROUPS;    // and what else is known of the threshold
override IS_THERE: u32 = COUNT_HIGH + select(0u, 5u * WORKGROUPS, WEIGHED);   // a bit for each token that a penalty is for
override SLOTS: u32 = IS_THERE + select(0u, (VOCAB_SIZE + 31u) / 32u, PENALISED);   // of a sequence, or of a member of a tile

var<private> parity: u32;      // of this layer's round
var<private> patience: u32;

// Hands element `i` of a vector on: to its region of `hidden`, or to its slot.
fn share(slot: u32, region: u32, i: u32, value: f32) {
    if NEAR {
        hidden[region + spread(i / 4u)][i % 4u] = value;
        if !hands_on() {
            return;
        }
    }
    say(slot + i, signed(value));
}

// The word of a value for other workgroups, and for the next dispatch of one that is alone.
fn signed(value: f32) -> u32 {
    if NEAR {
        return bitcast<u32>(value);
    }
    return tagged(value);
}

fn tagged(value: f32) -> u32 {
    return (bitcast<u32>(value) & 0xfffffffeu) | parity;
}

fn say(slot: u32, word: u32) {
    atomicStore(&exchange[sequence * TILE * SLOTS + slot], word);
}

fn asked(slot: u32) -> u32 {
    if ASK_BY_WRITING {
        return atomicOr(&exchange[sequence * TILE * SLOTS + slot], 0u);
    }
    return atomicLoad(&exchange[sequence * TILE * SLOTS + slot]);
}

fn received(slot: u32, tag: u32) -> u32 {
    var word = 0u;
    for (var polls = 0u; polls <= patience; polls++) {
        word = asked(slot);
        if (word & 1u) == tag {
            return word;
        }
    }
    patience = 0u;
    return word;
}

// Words on their way to this thread.
struct Words {
    a: vec4u,
    b: vec4u,
}

// Words of a thread up to which all are asked for again, not those alone that are missing: compilers wait for loads under a condition
// one by one. Of more words that is more traffic than it spares.
const FEW: u32 = 4u;

// The words at `slot` + i + (0 .. 7) WORKGROUP_SIZE, as far as that is before `count` behind `slot`.
fn received8(slot: u32, i: u32, count: u32, tag: u32) -> Words {
    let near = i + WORKGROUP_SIZE * vec4u(0u, 1u, 2u, 3u);
    let far = near + 4u * WORKGROUP_SIZE;
    let end = vec4u(count);
    let most = min((count + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE, 8u);
    return received_at(slot + min(near, end - 1u), slot + min(far, end - 1u), near < end, far < end, tag, most);
}

// The words at eight places, of which none has more than `most`, as far as they are wanted. They are asked for together.
fn received_at(near: vec4u, far: vec4u, near_wanted: vec4<bool>, far_wanted: vec4<bool>, tag: u32, most: u32) -> Words {
    let again = most <= FEW;
    var words = Words(
        select(vec4u(tag), vec4u(tag ^ 1u), near_wanted), select(vec4u(tag), vec4u(tag ^ 1u), far_wanted),
    );
    for (var polls = 0u; polls <= patience; polls++) {
        if again || (words.a.x & 1u) != tag { words.a.x = asked(near.x); }
        if most > 1u && (again || (words.a.y & 1u) != tag) { words.a.y = asked(near.y); }
        if most > 2u && (again || (words.a.z & 1u) != tag) { words.a.z = asked(near.z); }
        if most > 3u && (again || (words.a.w & 1u) != tag) { words.a.w = asked(near.w); }
        if most > 4u && (words.b.x & 1u) != tag { words.b.x = asked(far.x); }
        if most > 5u && (words.b.y & 1u) != tag { words.b.y = asked(far.y); }
        if most > 6u && (words.b.z & 1u) != tag { words.b.z = asked(far.z); }
        if most > 7u && (words.b.w & 1u) != tag { words.b.w = asked(far.w); }
        let missing = ((words.a ^ vec4u(tag)) | (words.b ^ vec4u(tag))) & vec4u(1u);
        if all(missing == vec4u(0u)) {
            return words;
        }
    }
    patience = 0u;
    return words;
}

// Fills `count4` vec4f of a region with what all workgroups have shared.
fn gather(slot: u32, region: u32, count4: u32) {
    if NEAR || !WHOLE {
        return;
    }
    receive(slot, region, count4, parity);
}

fn receive(slot: u32, region: u32, count4: u32, tag: u32) {
    //+ meets_round();
    let count = 4u * count4;
    for (var first = 0u; first < count; first += 8u * WORKGROUP_SIZE) {
        let i = first + thread;
        let words = received8(slot, i, count, tag);
        let near = bitcast<vec4f>(words.a);
        let far = bitcast<vec4f>(words.b);
        put(region, i, count, near.x);
        put(region, i + WORKGROUP_SIZE, count, near.y);
        put(region, i + 2u * WORKGROUP_SIZE, count, near.z);
        put(region, i + 3u * WORKGROUP_SIZE, count, near.w);
        put(region, i + 4u * WORKGROUP_SIZE, count, far.x);
        put(region, i + 5u * WORKGROUP_SIZE, count, far.y);
        put(region, i + 6u * WORKGROUP_SIZE, count, far.z);
        put(region, i + 7u * WORKGROUP_SIZE, count, far.w);
    }
    workgroupBarrier();
}

fn put(region: u32, i: u32, count: u32, value: f32) {
    if i < count {
        hidden[region + spread(i / 4u)][i % 4u] = value;
    }
}

// Fills a region with what an earlier dispatch left in a slot.
fn restore(slot: u32, region: u32, count4: u32) {
    if !WHOLE {
        return;
    }
    for (var i = thread; i < 4u * count4; i += WORKGROUP_SIZE) {
        hidden[region + spread(i / 4u)][i % 4u] = bitcast<f32>(asked(slot + i));
    }
    workgroupBarrier();
}

// Where vectors come in tiles: vec4f `i` of one in a slot, from all workgroups.
fn received4(slot: u32, i: u32, tag: u32) -> vec4f {
    let at = slot + 4u * i;
    return bitcast<vec4f>(vec4u(received(at, tag), received(at + 1u, tag), received(at + 2u, tag), received(at + 3u, tag)));
}

// The part of `count` elements that is this workgroup's.
fn own_first(count: u32) -> u32 {
    return workgroup_index * count / WORKGROUPS;
}

fn own_end(count: u32) -> u32 {
    return (workgroup_index + 1u) * count / WORKGROUPS;
}
