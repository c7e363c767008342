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
    let first = to_do.first_operation;
    hands_on = to_do.end_operation > 0u;
    position = to_do.first_step;
    if thread == 0u {
        chosen = tokens[to_do.first_token + to_do.first_step];
    }
    var token = workgroupUniformLoad(&chosen);
    if to_do.first_step >= prompt_tokens && (token == to_do.end_token || token == NONE) {
        return;
    }
    fed = token;
    enter(first, select(CHOICE_AT + 1u, to_do.end_operation, to_do.first_step == to_do.end_step), covers_next(to_do, to_do.first_step));

    for (var step = to_do.first_step; step < to_do.end_step || (step == to_do.end_step && to_do.end_operation > 0u); step++) {
        let is_first = step == to_do.first_step;
        let since = select(0u, first, is_first);
        let until = select(CHOICE_AT + 1u, to_do.end_operation, step == to_do.end_step);
        let goes_on = covers_next(to_do, step);
        position = step;
        if !is_first && step < prompt_tokens {
            token = tokens[to_do.first_token + step];
        }
        fed = token;
        if since == 0u {
            parity = (step * N_LAYER) & 1u;
            embed();
            order_cache();
            if until == 1u {
                hand_on_embedding();
            }
        }

        for (var depth = (max(since, 1u) - 1u) / LAYER_OPERATIONS; depth < N_LAYER; depth++) {
            let start = 1u + LAYER_OPERATIONS * depth;
            if until <= start {
                break;
            }
            // Of this layer, the first operation that is covered and the first behind it that is not.
            let begin = max(since, start) - start;
            let end = until - start;
            layer = depth;
            let at = LAYERS + depth * LAYER_STRIDE;
            if begin <= NORM_1_AT {
                parity = (step * N_LAYER + depth) & 1u;
                if depth > 0u {
                    stream_is(AFTER_LAYER, parity);
                    gather(AFTER_LAYER, STREAM, N_EMBD4);
                }
                layer_norm(at + LN_1_WEIGHT, at + LN_1_BIAS);
                if end == QUERY_KEY_VALUE_AT {
                    hand_on_norm();
                }
            }
            parity = (step * N_LAYER + depth + 1u) & 1u;
            if begin <= QUERY_KEY_VALUE_AT && end > QUERY_KEY_VALUE_AT {
                linear(matrix(QUERY_KEY_VALUE, depth));
                fetch(matrix(PROJECTION, depth), 0u, end > PROJECTION_AT);
                workgroupBarrier();
            }
            if begin <= ATTENTION_AT && end > ATTENTION_AT {
                attention(own);
            }
            if begin <= PROJECTION_AT && end > PROJECTION_AT {
                gather(ATTENDED, WIDE, HEADS4);
                linear(matrix(PROJECTION, depth));
                fetch(matrix(FC, depth), 0u, end > FC_AT);
                fetch_norm(at + LN_2_WEIGHT, at + LN_2_BIAS);
                workgroupBarrier();
            }
            if begin <= NORM_2_AT && end > NORM_2_AT {
                stream_is(AFTER_ATTENTION, parity);
                gather(AFTER_ATTENTION, STREAM, N_EMBD4);
                layer_norm(at + LN_2_WEIGHT, at + LN_2_BIAS);
                if end == FC_AT {
                    hand_on_norm();
                }
            }
            if begin <= FC_AT && end > FC_AT {
                linear(matrix(FC, depth));
                fetch(matrix(MLP, depth), 0u, end > MLP_AT);
                workgroupBarrier();
            }
            if begin <= MLP_AT && end > MLP_AT {
                gather(INNER, WIDE, N_INNER4);
                linear(matrix(MLP, depth));
                let is_last = depth + 1u == N_LAYER;
                if is_last && step + 1u >= prompt_tokens {
                    fetch(matrix(LOGITS, 0u), 0u, until > HEAD_AT);
                    fetch_norm(LN_F_WEIGHT, LN_F_BIAS);
                } else {
                    let next = (depth + 1u) % N_LAYER;
                    let is_wanted = select(end > LAYER_OPERATIONS + QUERY_KEY_VALUE_AT, goes_on, is_last);
                    fetch(matrix(QUERY_KEY_VALUE, next), 0u, is_wanted);
                    fetch_norm(LAYERS + next * LAYER_STRIDE + LN_1_WEIGHT, LAYERS + next * LAYER_STRIDE + LN_1_BIAS);
                }
                workgroupBarrier();
            }
        }
        if until <= NORM_F_AT {
            break;
        }
        parity = (step * N_LAYER + N_LAYER) & 1u;
        if step + 1u < prompt_tokens {
            await_stream();
            continue;
        }
        if since <= NORM_F_AT {
            stream_is(AFTER_LAYER, parity);
            gather(AFTER_LAYER, STREAM, N_EMBD4);
            layer_norm(LN_F_WEIGHT, LN_F_BIAS);
            if until == HEAD_AT {
                hand_on_norm();
            }
        }
        let head = matrix(LOGITS, 0u);
        if since <= HEAD_AT && until > HEAD_AT {
            consider_none();
            linear(head);
            fetch(matrix(QUERY_KEY_VALUE, 0u), 0u, goes_on);
            fetch_norm(LAYERS + LN_1_WEIGHT, LAYERS + LN_1_BIAS);
            threshold = 0u;
            if !SAMPLED {
                offer();
            }
        }
        if SAMPLED {
            for (var round = max(since, COUNT_AT) - COUNT_AT; round < BITS && COUNT_AT + round < until; round++) {
                if round > 0u {
                    settle(round - 1u, COUNT_AT + round > since);
                }
                count(head, round);
            }
            if since <= DRAW_AT && until > DRAW_AT {
                settle(BITS - 1u, DRAW_AT > since);
                consider_draws(head);
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
    }
    if patience == 0u {
        atomicStore(&gave_up, 1u);
    }
}

// Whether a dispatch goes on to the first matrix of the token behind `step`.
fn covers_next(to_do: Request, step: u32) -> bool {
    return step + 1u < to_do.end_step || (step + 1u == to_do.end_step && to_do.end_operation > 1u + QUERY_KEY_VALUE_AT);
}

// Brings what the operation `since` of a token needs of an earlier dispatch, and asks for the weights of the first matrix of
// the span, which ends before operation `until` or goes on with the next token.
fn enter(since: u32, until: u32, goes_on: bool) {
    is_normed = false;
    is_far = !NEAR;
    if since >= NORM_F_AT {
        consider_none();
        stream_is(AFTER_LAYER, position * N_LAYER + N_LAYER);
        if since > COUNT_AT {
            threshold = asked(THRESHOLD + workgroup_index);
        }
        if since > HEAD_AT {
            fetch_norm(LAYERS + LN_1_WEIGHT, LAYERS + LN_1_BIAS);
            fetch(matrix(QUERY_KEY_VALUE, 0u), 0u, goes_on);
            return;
        }
        fetch_norm(LN_F_WEIGHT, LN_F_BIAS);
        fetch(matrix(LOGITS, 0u), 0u, until > HEAD_AT);
        if since == HEAD_AT {
            restore(NORM, NORMED, N_EMBD4);
            is_normed = true;
        } else if NEAR {
            restore(AFTER_LAYER, STREAM, N_EMBD4);
        }
        return;
    }
    let depth = (max(since, 1u) - 1u) / LAYER_OPERATIONS;
    let start = 1u + LAYER_OPERATIONS * depth;
    let operation = max(since, start) - start;
    let end = max(until, start) - start;
    let at = LAYERS + depth * LAYER_STRIDE;
    layer = depth;
    parity = (position * N_LAYER + depth + 1u) & 1u;
    if operation <= PROJECTION_AT {
        stream_is(select(AFTER_LAYER, NOWHERE, depth == 0u), position * N_LAYER + depth);
        fetch_norm(at + LN_1_WEIGHT, at + LN_1_BIAS);
    } else {
        stream_is(AFTER_ATTENTION, parity);
        fetch_norm(at + LN_2_WEIGHT, at + LN_2_BIAS);
    }
    if operation <= QUERY_KEY_VALUE_AT {
        fetch(matrix(QUERY_KEY_VALUE, depth), 0u, end > QUERY_KEY_VALUE_AT);
    } else if operation <= PROJECTION_AT {
        fetch(matrix(PROJECTION, depth), 0u, end > PROJECTION_AT);
    } else if operation <= FC_AT {
        fetch(matrix(FC, depth), 0u, end > FC_AT);
    } else {
        fetch(matrix(MLP, depth), 0u, true);
    }
    if since == 0u {
        return;
    }
    if operation == QUERY_KEY_VALUE_AT || operation == FC_AT {
        restore(NORM, NORMED, N_EMBD4);
        is_normed = true;
    }
    if operation == NORM_1_AT && (NEAR || depth == 0u) {
        restore(AFTER_LAYER, STREAM, N_EMBD4);
    }
    if !NEAR || operation == NORM_1_AT {
        return;
    }
    if operation > PROJECTION_AT {
        restore(AFTER_ATTENTION, STREAM, N_EMBD4);
    } else if depth > 0u {
        restore(AFTER_LAYER, STREAM, N_EMBD4);
    } else {
        embed();
    }
    if operation == ATTENTION_AT {
        restore(QUERY, WIDE, 3u * HEADS4);
    } else if operation == PROJECTION_AT {
        restore(ATTENDED, WIDE, HEADS4);
    } else if operation == MLP_AT {
        restore(INNER, WIDE, N_INNER4);
    }
}
