// The inputs of a matrix for the members of a tile, on their way from `exchange` to workgroup memory.

override INPUT4: u32 = 16u;          // vec4f of each member's input that lie there at a time: a power of two

// Words of inputs on their way to this thread. It has every WORKGROUP_SIZE-th of those that lie in workgroup memory at a time, at most
// as many as here; sizes are powers of two, so each is as far from the first for all threads.
var<private> words0: vec4u;
var<private> words1: vec4u;
var<private> words2: vec4u;
var<private> words3: vec4u;

// Inputs of this workgroup's members from an element on: the slot of this thread's first, and how many words of a member there are.
struct Inputs {
    slot: u32,
    count: u32,
}

fn inputs_at(m: Matrix, slot: u32, first4: u32) -> Inputs {
    let each = 4u * input4(m);
    let own = (first_member(m) + thread / each) * SLOTS + thread % each;
    return Inputs(own + slot + 4u * first4, 4u * (m.in4 - min(first4, m.in4)));
}

// Of a thread's word `j`: its member and element, less those of the first.
fn member_of(m: Matrix, j: u32) -> u32 {
    return j * WORKGROUP_SIZE / (4u * input4(m));
}

fn element_of(m: Matrix, j: u32) -> u32 {
    return j * WORKGROUP_SIZE % (4u * input4(m));
}

// Asks for this thread's words, whether they are there or not, and waits for nothing.
fn ask_inputs(m: Matrix, inputs: Inputs) {
    words0 = asked_words(m, inputs, 0u);
    words1 = asked_words(m, inputs, 4u);
    words2 = asked_words(m, inputs, 8u);
    words3 = asked_words(m, inputs, 12u);
}

fn asked_words(m: Matrix, inputs: Inputs, j: u32) -> vec4u {
    if member_of(m, j) >= tile_members(m) {
        return vec4u(parity);
    }
    return vec4u(
        asked_word(m, inputs, j), asked_word(m, inputs, j + 1u), asked_word(m, inputs, j + 2u), asked_word(m, inputs, j + 3u),
    );
}

// Behind the last slot there is none.
fn asked_word(m: Matrix, inputs: Inputs, j: u32) -> u32 {
    return asked(min(inputs.slot + member_of(m, j) * SLOTS + element_of(m, j), TILE * SLOTS - 1u));
}

// Fills `hidden` with the inputs that have been asked for; zeros where there is none.
fn take_inputs(m: Matrix, inputs: Inputs, members: u32) {
    //+ meets_round();
    workgroupBarrier();
    words0 = awaited(m, inputs, members, 0u, words0);
    words1 = awaited(m, inputs, members, 4u, words1);
    words2 = awaited(m, inputs, members, 8u, words2);
    words3 = awaited(m, inputs, members, 12u, words3);
    put_inputs(m, inputs, members, 0u, words0);
    put_inputs(m, inputs, members, 4u, words1);
    put_inputs(m, inputs, members, 8u, words2);
    put_inputs(m, inputs, members, 12u, words3);
    workgroupBarrier();
}

// Four words, asked for again until each is there that is wanted.
fn awaited(m: Matrix, inputs: Inputs, members: u32, j: u32, words: vec4u) -> vec4u {
    let wanted = vec4<bool>(
        is_input(m, inputs, members, j),
        is_input(m, inputs, members, j + 1u),
        is_input(m, inputs, members, j + 2u),
        is_input(m, inputs, members, j + 3u),
    );
    var now = select(vec4u(parity), words, wanted);
    for (var polls = 0u; polls <= patience; polls++) {
        if all(((now ^ vec4u(parity)) & vec4u(1u)) == vec4u(0u)) {
            return select(vec4u(0u), now, wanted);
        }
        if (now.x & 1u) != parity { now.x = asked_word(m, inputs, j); }
        if (now.y & 1u) != parity { now.y = asked_word(m, inputs, j + 1u); }
        if (now.z & 1u) != parity { now.z = asked_word(m, inputs, j + 2u); }
        if (now.w & 1u) != parity { now.w = asked_word(m, inputs, j + 3u); }
    }
    patience = 0u;
    return now;
}

fn is_input(m: Matrix, inputs: Inputs, members: u32, j: u32) -> bool {
    let each = 4u * input4(m);
    return thread / each + member_of(m, j) < members && thread % each + element_of(m, j) < inputs.count;
}

fn put_inputs(m: Matrix, inputs: Inputs, members: u32, j: u32, words: vec4u) {
    if member_of(m, j) < tile_members(m) {
        let values = bitcast<vec4f>(words);
        put_input(m, j, values.x);
        put_input(m, j + 1u, values.y);
        put_input(m, j + 2u, values.z);
        put_input(m, j + 3u, values.w);
    }
}

fn put_input(m: Matrix, j: u32, value: f32) {
    let each = 4u * input4(m);
    let member = thread / each + member_of(m, j);
    if member < tile_members(m) {
        hidden[member * member4(m) + spread((thread % each + element_of(m, j)) / 4u)][thread % 4u] = value;
    }
}
