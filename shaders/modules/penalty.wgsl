// The repetition penalty: logits of tokens that are there already, in the prompt or made since, are divided by it where they are
// above 0, else multiplied with it. What is chosen from is such a logit; `logits` stay as the model made them. Which tokens are
// there is a bit for each, in `exchange`: every workgroup sets all of them, which are the same for all, so none waits for another.
// A bit is set ahead of the token's choice alone, when no workgroup reads those of an earlier one.

override REPETITION_PENALTY: f32 = 1.0;
override PENALISED: bool = REPETITION_PENALTY != 1.0;

// Sets the bits of tokens that are new since the last choice: of the prompt all.
fn remember() {
    if position + 1u == request.prompt_tokens {
        for (var i = thread; i < request.prompt_tokens; i += WORKGROUP_SIZE) {
            set_bit(tokens[request.first_token + i]);
        }
    } else if thread == 0u {
        set_bit(fed);
    }
    storageBarrier();
}

fn set_bit(token: u32) {
    atomicOr(&exchange[sequence * TILE * SLOTS + IS_THERE + token / 32u], 1u << (token % 32u));
}

// The logit that a token is chosen by.
fn logit_of(token: u32) -> f32 {
    let logit = logits[logits_row() + token];
    if !PENALISED || extractBits(asked(IS_THERE + token / 32u), token % 32u, 1u) == 0u {
        return logit;
    }
    return select(logit * REPETITION_PENALTY, logit / REPETITION_PENALTY, logit > 0.0);
}
