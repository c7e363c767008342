// A generation as a chain of operations, of which a dispatch covers a span: one operation, one stage (what lies between two
// places where workgroups wait for each other), a layer, a token, or all. Fusion is two numbers in a request, where the span
// begins and where it ends; nothing else differs.
//
// All threads walk the same operations; a barrier ends each, because the next one reads what other threads wrote. The weights
// of a matrix are asked for as soon as those of the one before are used, as far as the span goes. What a dispatch leaves to
// the next one is in storage: the KV cache, `tokens`, and, where a span ends within a token, `exchange`.

// Operations of a token: the embedding; of each layer a norm, the three matrices in one, attention, its projection, a norm,
// and the two matrices of the MLP; a norm and the head; where tokens are drawn, the rounds that find a threshold, and the
// draws; the choice. A token that makes no new one, as all but the last of the prompt, ends with its layers.
const NORM_1_AT: u32 = 0u;
const QUERY_KEY_VALUE_AT: u32 = 1u;
const ATTENTION_AT: u32 = 2u;
const PROJECTION_AT: u32 = 3u;
const NORM_2_AT: u32 = 4u;
const FC_AT: u32 = 5u;
const MLP_AT: u32 = 6u;
const LAYER_OPERATIONS: u32 = 7u;
override NORM_F_AT: u32 = 1u + LAYER_OPERATIONS * N_LAYER;
override HEAD_AT: u32 = NORM_F_AT + 1u;
override COUNT_AT: u32 = NORM_F_AT + 2u;
override DRAW_AT: u32 = COUNT_AT + BITS;
override CHOICE_AT: u32 = COUNT_AT + select(0u, BITS + 1u, SAMPLED);

// What dispatches cut: 0 layers, 1 tokens alone, between their layers, 2 neither. It follows from the span, and tells the compiler
// what never happens: of the rungs of a ladder, no other constant differs.
override SPAN: u32 = 0;

@compute @workgroup_size(WORKGROUP_SIZE)
fn decode(@builtin(workgroup_id) workgroup_id: vec3u, @builtin(local_invocation_index) index: u32) {
    sequence = workgroup_id.x / WORKGROUPS;
    workgroup_index = workgroup_id.x % WORKGROUPS;
    let own = workgroup_id.x % WORKGROUPS;
    thread = index;
    patience = PATIENCE;
    // Barriers depend on `own` and on these, so they are no private variables.
    let to_do = requests[workgroup_id.x / WORKGROUPS];
    request = to_do;
    let prompt_tokens = to_do.prompt_tokens;
    position = to_do.first_step;
    if thread == 0u {
        chosen = tokens[to_do.first_token + to_do.first_step];
    }
    var token = workgroupUniformLoad(&chosen);
    if to_do.first_step >= prompt_tokens && (token == to_do.end_token || token == NONE) {
        return;
    }
    fed = token;
    var since = select(0u, to_do.first_operation, SPAN < 2u);
    let ends_within = SPAN < 2u && to_do.end_operation > 0u;
    enter(since, select(CHOICE_AT + 1u, to_do.end_operation, ends_within && to_do.first_step == to_do.end_step), covers_next(to_do, to_do.first_step));

    for (var step = to_do.first_step; step < to_do.end_step || (ends_within && step == to_do.end_step); step++) {
        position = step;
        if step > to_do.first_step && step < prompt_tokens {
            token = tokens[to_do.first_token + step];
        }
        fed = token;
        let makes_token = step + 1u >= prompt_tokens;
        let until = min(
            select(CHOICE_AT + 1u, to_do.end_operation, ends_within && step == to_do.end_step),
            select(NORM_F_AT, CHOICE_AT + 1u, makes_token),
        );
        if since == 0u {
            parity = (step * N_LAYER) & 1u;
            embed();
            order_cache();
            if until == 1u {
                hand_on_embedding();
            }
        }
        walk(own, step, since, until, makes_token, covers_next(to_do, step));
        if !makes_token && step < to_do.end_step {
            parity = (step * N_LAYER + N_LAYER) & 1u;
            await_stream();
        }
        if SAMPLED {
            for (var round = max(since, COUNT_AT) - COUNT_AT; round < BITS && COUNT_AT + round < until; round++) {
                if round > 0u {
                    settle(round - 1u, COUNT_AT + round > since);
                }
                count(matrix(LOGITS, 0u), round);
            }
            if since <= DRAW_AT && until > DRAW_AT {
                settle(BITS - 1u, DRAW_AT > since);
                consider_draws(matrix(LOGITS, 0u));
                offer();
            }
        }
        if until > CHOICE_AT {
            choose(CHOICE_AT > since);
            token = workgroupUniformLoad(&chosen);
            if token == to_do.end_token {
                break;
            }
        }
        since = 0u;
    }
    if patience == 0u {
        atomicStore(&gave_up, 1u);
    }
}

// Whether a dispatch goes on to the first matrix of the token behind `step`.
fn covers_next(to_do: Request, step: u32) -> bool {
    let covers_part = SPAN < 2u && to_do.end_operation > 1u + QUERY_KEY_VALUE_AT;
    return step + 1u < to_do.end_step || (covers_part && step + 1u == to_do.end_step);
}

// Whether the dispatch ends within a token, so that the next one needs what is NEAR.
fn hands_on() -> bool {
    return SPAN < 2u && request.end_operation > 0u;
}

// The norm at the beginning of a layer or behind its attention, which is left to the next dispatch where this one `ends_here`.
// The one behind the layers is like the first of one layer more.
fn norm(depth: u32, is_second: bool, ends_here: bool) {
    if depth > 0u || is_second {
        let slot = select(AFTER_LAYER, AFTER_ATTENTION, is_second);
        stream_is(slot, parity);
        gather(slot, STREAM, N_EMBD4);
    }
    let at = norm_weights(depth, is_second);
    layer_norm(at.x, at.y);
    if ends_here {
        hand_on_norm();
    }
}

// Where weight and bias of a norm are.
fn norm_weights(depth: u32, is_second: bool) -> vec2u {
    if depth == N_LAYER {
        return vec2u(LN_F_WEIGHT, LN_F_BIAS);
    }
    return LAYERS + depth * LAYER_STRIDE + select(vec2u(LN_1_WEIGHT, LN_1_BIAS), vec2u(LN_2_WEIGHT, LN_2_BIAS), is_second);
}

// Brings what the operation `since` of a token needs of an earlier dispatch, and asks for the weights of the first matrix of
// the span, which ends before operation `until` or goes on with the next token.
fn enter(since: u32, until: u32, goes_on: bool) {
    is_left_far = !NEAR;
    // The norm and the matrix behind the layers are like the first two operations of one layer more.
    let depth = min((max(since, 1u) - 1u) / LAYER_OPERATIONS, N_LAYER);
    let kind = select(0u, max(since, 1u) - 1u - LAYER_OPERATIONS * depth, SPAN == 0u || depth == N_LAYER);
    let is_attended = depth < N_LAYER && kind > PROJECTION_AT;
    layer = depth;
    parity = (position * N_LAYER + depth + 1u) & 1u;
    if is_attended {
        stream_is(AFTER_ATTENTION, parity);
    } else {
        stream_is(select(AFTER_LAYER, NOWHERE, depth == 0u), position * N_LAYER + depth);
    }
    is_normed = kind == QUERY_KEY_VALUE_AT || (is_attended && kind == FC_AT);
    let is_left = depth == N_LAYER && kind > QUERY_KEY_VALUE_AT;
    fetch_norm(norm_weights(select(depth, 0u, is_left), is_attended));
    ask_ahead(depth, kind, until - min(until, 1u + LAYER_OPERATIONS * depth), goes_on);
    if depth == N_LAYER {
        consider_none();
        if since > COUNT_AT {
            threshold = asked(THRESHOLD + workgroup_index);
        }
    }
    if SPAN < 2u && since > 0u && since <= HEAD_AT {
        bring(depth, kind);
    }
}

// Fills `hidden` as the operations before one of layer `depth` left it.
fn bring(depth: u32, kind: u32) {
    if NEAR && depth == 0u && kind > NORM_1_AT && kind <= PROJECTION_AT {
        embed();
    } else if (NEAR && (depth < N_LAYER || kind == NORM_1_AT)) || (depth == 0u && kind == NORM_1_AT) {
        restore(select(AFTER_LAYER, AFTER_ATTENTION, kind > PROJECTION_AT), STREAM, N_EMBD4);
    }
    var slot = NORM;
    var region = NORMED;
    var count4 = N_EMBD4;
    switch kind {
        case ATTENTION_AT: { slot = QUERY; region = WIDE; count4 = 3u * HEADS4; }
        case PROJECTION_AT: { slot = ATTENDED; region = WIDE; count4 = HEADS4; }
        case MLP_AT: { slot = INNER; region = WIDE; count4 = N_INNER4; }
        default: {}
    }
    let reads_norm = kind == QUERY_KEY_VALUE_AT || kind == FC_AT;
    let reads_stream = kind == NORM_1_AT || kind == NORM_2_AT;
    if reads_norm || (NEAR && !reads_stream) {
        restore(slot, region, count4);
    }
}
