// A generation as a chain of operations, of which a dispatch covers a span: one operation, one stage (what lies between two
// places where workgroups wait for each other), a layer, a token, or all. Fusion is two numbers in a request, where the span
// begins and where it ends; nothing else differs.
//
// All threads walk the same operations; a barrier ends each, because the next one reads what other threads wrote. The weights
// of a matrix are asked for as soon as those of the one before are used, as far as the span goes. What a dispatch leaves to
// the next one is in storage: the KV cache, `tokens`, and, where a span ends within a token, `exchange`.

// Operations of a token: the embedding; of each layer a norm, the three matrices in one, attention, its projection, a norm,
// and the two matrices of the MLP; a norm and the head; where tokens are drawn, the rounds that find a threshold, and the
// draws (of logits after a penalty these too where the largest is taken); the choice. A token that makes no new one, as all but the last of the prompt, ends with its layers.
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
override DRAW_AT: u32 = COUNT_AT + CHOICE_ROUNDS;
override CHOICE_AT: u32 = COUNT_AT + select(0u, CHOICE_ROUNDS + 1u, SAMPLED);

// Kinds of operation outside layers: the embedding, the norm and the head behind them, and how the next token is found.
const EMBEDDING_KIND: u32 = 7u;
const HEAD_KIND: u32 = 8u;
const CHOICE_KIND: u32 = 9u;
const LAYER_KINDS: u32 = 0x7fu;
const ALL_KINDS: u32 = 0x3ffu;

// The kinds that dispatches of this pipeline cover, a bit for each. It follows from the span, and tells the compiler what never
// happens: of the rungs of a ladder, no other constant differs.
override COVERS: u32 = ALL_KINDS;
override CUTS_TOKENS: bool = COVERS != ALL_KINDS;
override CUTS_LAYERS: bool = (COVERS & LAYER_KINDS) != 0u && (COVERS & LAYER_KINDS) != LAYER_KINDS;
override FIRST_KIND: u32 = countTrailingZeros(COVERS);

fn covers(kind: u32) -> bool {
    return ((COVERS >> kind) & 1u) == 1u;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn decode(@builtin(workgroup_id) workgroup_id: vec3u, @builtin(local_invocation_index) index: u32) {
    sequence = workgroup_id.x / WORKGROUPS;
    workgroup_index = workgroup_id.x % WORKGROUPS;
    let own = workgroup_id.x % WORKGROUPS;
    thread = index;
    patience = PATIENCE;
    // Barriers depend on `own` and on these, so they are no private variables.
    let of_request = workgroup_id.x / WORKGROUPS;
    let to_do = requests[of_request];
    request = to_do;
    let prompt_tokens = to_do.prompt_tokens;
    var since = select(0u, to_do.first_operation, CUTS_TOKENS);
    let ends_within = CUTS_TOKENS && to_do.end_operation > 0u;
    var first_step = to_do.first_step;
    if TILE > 1u {
        first_step = read_prompt(own, to_do, since, ends_within);
        if first_step + 1u < prompt_tokens {
            return;
        }
        since = select(0u, since, first_step == to_do.first_step);
    }
    position = first_step;
    fed = tokens[to_do.first_token + first_step];
    enter(since, select(CHOICE_AT + 1u, to_do.end_operation, ends_within && first_step == to_do.end_step));
    if thread == 0u {
        chosen = fed;
    }
    var token = workgroupUniformLoad(&chosen);
    if first_step >= prompt_tokens && (token == NONE || ends(of_request, token)) {
        return;
    }
    if CUTS_TOKENS && since > 0u && since <= HEAD_AT {
        bring(since);
    }

    for (var step = first_step; step < to_do.end_step || (ends_within && step == to_do.end_step); step++) {
        position = step;
        if step > first_step && step < prompt_tokens {
            token = tokens[to_do.first_token + step];
        }
        fed = token;
        let makes_token = step + 1u >= prompt_tokens;
        let until = min(
            select(CHOICE_AT + 1u, to_do.end_operation, ends_within && step == to_do.end_step),
            select(NORM_F_AT, CHOICE_AT + 1u, makes_token),
        );
        if covers(EMBEDDING_KIND) && since == 0u {
            parity = (round_of(step) * N_LAYER) & 1u;
            embed();
            order_cache();
            if CUTS_TOKENS && until == 1u {
                hand_on_embedding();
            }
        }
        walk(own, step, since, until, makes_token, step + 1u < to_do.end_step);
        if !makes_token && step < to_do.end_step {
            parity = (round_of(step) * N_LAYER + N_LAYER) & 1u;
            await_stream();
        }
        if SAMPLED && covers(CHOICE_KIND) {
            if PENALISED && since <= COUNT_AT && until > COUNT_AT {
                remember();
            }
            for (var round = max(since, COUNT_AT) - COUNT_AT; round < CHOICE_ROUNDS && COUNT_AT + round < until; round++) {
                if round > 0u {
                    settle(round - 1u, COUNT_AT + round > since);
                }
                count(matrix(LOGITS, 0u), round);
            }
            if since <= DRAW_AT && until > DRAW_AT {
                if CHOICE_ROUNDS > 0u {
                    settle(max(CHOICE_ROUNDS, 1u) - 1u, DRAW_AT > since);
                }
                consider_draws(matrix(LOGITS, 0u));
                offer();
            }
        }
        if covers(CHOICE_KIND) && until > CHOICE_AT {
            choose(CHOICE_AT > since);
            token = workgroupUniformLoad(&chosen);
            if ends(of_request, token) {
                break;
            }
        }
        since = 0u;
    }
    if patience == 0u {
        atomicStore(&gave_up, 1u);
    }
}

// The number of a token's round, of those of this generation. One that reads its prompt in tiles has a round for each of these.
fn round_of(step: u32) -> u32 {
    let in_tiles = request.prompt_tokens - 1u - request.cached;
    return step - request.cached - select(0u, in_tiles - (in_tiles + TILE - 1u) / TILE, TILE > 1u);
}

// The layers of a token and its head, as far as a span covers them. Written out, so that each matrix has its own constants
// and what is asked for ahead of one stays on its way until then: compilers wait for loads where a branch with them ends.
fn walk(own: u32, step: u32, since: u32, until: u32, makes_token: bool, goes_on: bool) {
    for (var depth = (max(since, 1u) - 1u) / LAYER_OPERATIONS; depth < N_LAYER; depth++) {
        if CUTS_TOKENS && until <= 1u + LAYER_OPERATIONS * depth {
            break;
        }
        layer = depth;
        if covers(NORM_1_AT) {
            parity = (round_of(step) * N_LAYER + depth) & 1u;
            norm(depth, false, !covers(QUERY_KEY_VALUE_AT));
        }
        parity = (round_of(step) * N_LAYER + depth + 1u) & 1u;
        if covers(QUERY_KEY_VALUE_AT) {
            linear(matrix(QUERY_KEY_VALUE, depth));
            if covers(PROJECTION_AT) {
                ask(PROJECTION, depth, true);
            }
            workgroupBarrier();
        }
        if covers(ATTENTION_AT) {
            attention(own);
        }
        if covers(PROJECTION_AT) {
            gather(ATTENDED, WIDE, HEADS4);
            linear(matrix(PROJECTION, depth));
            if covers(FC_AT) {
                ask(FC, depth, true);
                fetch_norm(norm_weights(depth, true));
            }
            workgroupBarrier();
        }
        if covers(NORM_2_AT) {
            norm(depth, true, !covers(FC_AT));
        }
        if covers(FC_AT) {
            linear(matrix(FC, depth));
            if covers(MLP_AT) {
                ask(MLP, depth, true);
            }
            workgroupBarrier();
        }
        if covers(MLP_AT) {
            gather(INNER, WIDE, N_INNER4);
            linear(matrix(MLP, depth));
            if !CUTS_TOKENS {
                if depth + 1u == N_LAYER && makes_token {
                    ask(LOGITS, 0u, true);
                    fetch_norm(norm_weights(N_LAYER, false));
                } else {
                    let next = (depth + 1u) % N_LAYER;
                    ask(QUERY_KEY_VALUE, next, select(true, goes_on, next == 0u));
                    fetch_norm(norm_weights(next, false));
                }
            }
            workgroupBarrier();
        }
    }
    if covers(HEAD_KIND) && since <= NORM_F_AT && until > NORM_F_AT {
        parity = (round_of(step) * N_LAYER + N_LAYER) & 1u;
        norm(N_LAYER, false, CUTS_TOKENS && until == HEAD_AT);
    }
    if covers(HEAD_KIND) && since <= HEAD_AT && until > HEAD_AT {
        consider_none();
        threshold = 0u;
        linear(matrix(LOGITS, 0u));
        if !CUTS_TOKENS {
            ask(QUERY_KEY_VALUE, 0u, goes_on);
            fetch_norm(norm_weights(0u, false));
        }
        if !SAMPLED {
            offer();
        }
    }
}

// Whether the dispatch ends within a token, so that the next one needs what is NEAR.
fn hands_on() -> bool {
    return CUTS_TOKENS && request.end_operation > 0u;
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

// Of the operation of a token at which a dispatch begins: its layer, or N_LAYER of what is behind them. The norm and the matrix
// behind the layers are like the first two operations of one layer more.
fn depth_at(since: u32) -> u32 {
    return min((max(since, 1u) - 1u) / LAYER_OPERATIONS, N_LAYER);
}

// And its place in that layer.
fn kind_at(since: u32) -> u32 {
    let depth = depth_at(since);
    if CUTS_LAYERS {
        return FIRST_KIND;
    }
    return select(0u, max(since, 1u) - 1u - LAYER_OPERATIONS * depth, depth == N_LAYER);
}

// Asks for the first weights of a dispatch, which covers a token from `since` on and before `until`, or goes on with the next.
fn enter(since: u32, until: u32) {
    is_left_far = !NEAR;
    let depth = depth_at(since);
    let kind = kind_at(since);
    let is_attended = depth < N_LAYER && kind > PROJECTION_AT;
    layer = depth;
    parity = (round_of(position) * N_LAYER + depth + 1u) & 1u;
    if is_attended {
        stream_is(AFTER_ATTENTION, parity);
    } else {
        stream_is(select(AFTER_LAYER, NOWHERE, depth == 0u), round_of(position) * N_LAYER + depth);
    }
    is_normed = kind == QUERY_KEY_VALUE_AT || (is_attended && kind == FC_AT);
    fetch_norm(norm_weights(select(depth, 0u, since > HEAD_AT), is_attended));
    ask_first(depth, since <= HEAD_AT && until > HEAD_AT);
    if depth == N_LAYER {
        consider_none();
        if since > COUNT_AT {
            bring_threshold();
        }
    }
}

// Asks for the weights of the first matrix of a dispatch that begins in layer `depth`, or behind the layers with the head or
// with the choice before the next token.
fn ask_first(depth: u32, has_head: bool) {
    if covers(QUERY_KEY_VALUE_AT) {
        ask(QUERY_KEY_VALUE, depth % N_LAYER, true);
    } else if covers(PROJECTION_AT) {
        ask(PROJECTION, depth, true);
    } else if covers(FC_AT) {
        ask(FC, depth, true);
    } else if covers(MLP_AT) {
        ask(MLP, depth, true);
    } else if covers(HEAD_KIND) {
        ask(LOGITS, 0u, has_head);
    }
}

// Fills `hidden` as earlier dispatches left it before the operation `since`.
fn bring(since: u32) {
    let depth = depth_at(since);
    let kind = kind_at(since);
    if NEAR && depth == 0u && kind > NORM_1_AT && kind <= PROJECTION_AT {
        embed();
    } else if (NEAR && (depth < N_LAYER || kind == NORM_1_AT)) || (depth == 0u && kind == NORM_1_AT) {
        restore(select(AFTER_LAYER, AFTER_ATTENTION, kind > PROJECTION_AT), STREAM, N_EMBD4);
    }
    var slot = NORM;
    var region = NORMED;
    var count4 = N_EMBD4;
    switch kind {
        case ATTENTION_AT: { slot = QUERY; region = WIDE; count4 = HEADS4 + 2u * KEYS4; }
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
