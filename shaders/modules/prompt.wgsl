// A prompt in tiles: up to TILE of its tokens, the members of a tile, share each read of the weights. So are fed all tokens of a
// prompt but the last one, with which the new ones begin.
//
// Every operation goes from slots of `exchange` to slots, of which each member has its own set. Nothing else is handed on, so a
// dispatch may end behind any of them. Workgroups share out the rows of matrices and the heads as ever, and norms member by member.
//
// No reader misses a round. Of the matrices before attention and FC each workgroup has rows, for all members; so where an inner
// value is, all workgroups have read whatever came before FC, and nobody writes a slot again before such values have reached it. Behind
// the last tile all wait for the stream of the first member, whose slots single tokens go on with.

#import modules/prompt_rows.wgsl
#import modules/prompt_inputs.wgsl
#import modules/prompt_attention.wgsl

override TILE: u32 = 1u;

// Feeds what this dispatch covers of the prompt, without its last token. Where the dispatch goes on from.
fn read_prompt(own: u32, to_do: Request, since: u32, ends_within: bool) -> u32 {
    let last = to_do.prompt_tokens - 1u;
    var step = to_do.first_step;
    var first = since;
    while step < last && (step < to_do.end_step || (ends_within && step == to_do.end_step)) {
        let ends_here = ends_within && step == to_do.end_step;
        let members = min(TILE, last - step);
        walk_tile(own, step, members, (step - to_do.cached) / TILE, first, select(NORM_F_AT, to_do.end_operation, ends_here));
        if ends_here {
            break;
        }
        step += members;
        first = 0u;
        if step == last {
            await_tile();
        }
    }
    return step;
}

// The layers of a tile, as far as a span covers them.
fn walk_tile(own: u32, step: u32, members: u32, round: u32, since: u32, until: u32) {
    for (var depth = (max(since, 1u) - 1u) / LAYER_OPERATIONS; depth < N_LAYER; depth++) {
        if CUTS_TOKENS && until <= 1u + LAYER_OPERATIONS * depth {
            break;
        }
        layer = depth;
        parity = (round * N_LAYER + depth + 1u) & 1u;
        if covers(NORM_1_AT) {
            norm_of_members(own, step, members, depth, false);
        }
        if covers(QUERY_KEY_VALUE_AT) {
            linear_of_members(matrix(QUERY_KEY_VALUE, depth), NORM, step, members);
        }
        if covers(ATTENTION_AT) {
            attention_of_members(own, step, members);
        }
        if covers(PROJECTION_AT) {
            linear_of_members(matrix(PROJECTION, depth), ATTENDED, step, members);
        }
        if covers(NORM_2_AT) {
            norm_of_members(own, step, members, depth, true);
        }
        if covers(FC_AT) {
            linear_of_members(matrix(FC, depth), NORM_2, step, members);
        }
        if covers(MLP_AT) {
            linear_of_members(matrix(MLP, depth), INNER, step, members);
        }
    }
}

// Waits for the stream of the first member, whose slots are those of single tokens too: no workgroup reads an older one then.
fn await_tile() {
    if covers(MLP_AT) {
        //+ meets_round();
        for (var i = thread; i < 4u * N_EMBD4; i += WORKGROUP_SIZE) {
            _ = received(AFTER_LAYER + i, parity);
        }
        workgroupBarrier();
    }
}

// Makes `member` of a tile the token that is fed.
fn turn_to(step: u32, member: u32) {
    position = step + member;
    fed = tokens[request.first_token + position];
}

// The norms of this workgroup's members.
fn norm_of_members(own: u32, step: u32, members: u32, depth: u32, is_second: bool) {
    let at = norm_weights(depth, is_second);
    fetch_norm(at);
    for (var member = own; member < members; member += WORKGROUPS) {
        turn_to(step, member);
        if depth == 0u && !is_second {
            embed();
        } else {
            // The stream before a layer is of the round before.
            stream_is(member * SLOTS + select(AFTER_LAYER, AFTER_ATTENTION, is_second), select(parity ^ 1u, parity, is_second));
            if WHOLE {
                receive(stream_slot, STREAM, N_EMBD4, stream_parity);
            }
        }
        layer_norm(at.x, at.y);
        for (var i = thread; i < 4u * N_EMBD4; i += WORKGROUP_SIZE) {
            say(member * SLOTS + select(NORM, NORM_2, is_second) + i, tagged(norm_element(i)));
        }
        workgroupBarrier();
    }
}
