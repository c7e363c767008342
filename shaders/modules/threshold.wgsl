// Which tokens are drawn from: those whose logits are no smaller than a threshold, which is found in rounds. In a round each
// workgroup measures the logits that it made, and all add up what all have measured:
//
//   BITS rounds   how many logits are no smaller than the threshold with its next bit, from the top: it becomes that of top-k,
//                 the top_k-th largest logit in sortable form
//   one           the largest logit: min-p is a distance from it, and masses are relative to its own
//   one           the mass of all that top-k leaves
//   BITS rounds   the mass of those no smaller than another threshold with its next bit: it becomes the largest whose tokens
//                 have TOP_P of the mass
//
// The last BITS + 1 are for top-p alone, the one before for min-p too. A mass is exp((logit - largest) / temperature) in units of
// 2^-24, as an integer, so that sums depend on no order. Sums are in two words, of 12 bits and of what is above: both stay below
// 2^31 up to a vocabulary of 2^19. What rounding takes is 2^-25 of the likeliest token's mass for each token, at most.

override CHOICE_ROUNDS: u32 = BITS;
override TOP_P: f32 = 1.0;
override LN_MIN_P: f32 = 1.0;    // the logarithm of min-p; above 0 where there is none
override WEIGHED: bool = CHOICE_ROUNDS > BITS;

const BITS: u32 = 32u;           // of a threshold: one is found in a round
const LARGEST_ROUND: u32 = BITS;
const TOTAL_ROUND: u32 = BITS + 1u;
const LOW_BITS: u32 = 12u;       // of a mass

var<workgroup> tally: atomic<u32>;
var<workgroup> tally_high: atomic<u32>;

var<private> threshold: u32;     // in sortable form, as far as it is known
var<private> of_top_k: u32;      // what the threshold was before it was that of top-p
var<private> largest: f32;       // logit
var<private> total: f32;         // mass of all that top-k leaves

// The threshold with the bit that a round is for.
fn candidate(round: u32) -> u32 {
    if WEIGHED && round == TOTAL_ROUND {
        return 0u;
    }
    return threshold | (0x80000000u >> select(round, round - TOTAL_ROUND - 1u, WEIGHED && round > TOTAL_ROUND));
}

// What a logit adds to a round: 1, its mass, or of the largest its sortable form.
fn measured(logit: f32, round: u32) -> u32 {
    let order = sortable(logit);
    if WEIGHED && round == LARGEST_ROUND {
        return order;
    }
    if WEIGHED && round > LARGEST_ROUND {
        let units = u32(min(exp((logit - largest) / request.temperature), 1.0) * 0x1p24 + 0.5);
        return select(0u, units, order >= max(candidate(round), of_top_k));
    }
    return select(0u, 1u, order >= candidate(round));
}

// Measures this workgroup's logits.
fn count(m: Matrix, round: u32) {
    if thread == 0u {
        atomicStore(&tally, 0u);
        if WEIGHED {
            atomicStore(&tally_high, 0u);
        }
    }
    workgroupBarrier();
    var low = 0u;
    var high = 0u;
    for (var turn = 0u; turn < own_tokens(m); turn++) {
        let token = own_token(m, turn);
        if token < VOCAB_SIZE {
            let amount = measured(logit_of(token), round);
            if WEIGHED && round == LARGEST_ROUND {
                low = max(low, amount);
            } else if WEIGHED {
                low += extractBits(amount, 0u, LOW_BITS);
                high += amount >> LOW_BITS;
            } else {
                low += amount;
            }
        }
    }
    add_up(round, low, high);
    workgroupBarrier();
    if !NEAR || hands_on() {
        if thread == 0u {
            let index = round_index(round);
            var word = atomicLoad(&tally);
            if WEIGHED {
                var above = atomicLoad(&tally_high);
                if round == LARGEST_ROUND {
                    above = word >> 16u;
                    word &= 0xffffu;
                }
                say(COUNT_HIGH + (index & 1u) * WORKGROUPS + workgroup_index, (above << 1u) | count_tag(index));
            }
            say(COUNT + (index & 1u) * WORKGROUPS + workgroup_index, (word << 1u) | count_tag(index));
            leave_threshold();
        }
    }
}

fn add_up(round: u32, low: u32, high: u32) {
    if WEIGHED && round == LARGEST_ROUND {
        atomicMax(&tally, low);
        return;
    }
    atomicAdd(&tally, low);
    if WEIGHED {
        atomicAdd(&tally_high, high);
    }
}

// Rounds alternate between two slots, and in a slot the tag alternates, from one token to the next as well.
fn round_index(round: u32) -> u32 {
    return (position + 1u - request.prompt_tokens) * CHOICE_ROUNDS + round;
}

fn count_tag(index: u32) -> u32 {
    return ((index >> 1u) + 1u) & 1u;
}

// Draws the conclusion from a round, once all workgroups have measured. `tally` is known of one workgroup that measured in this
// dispatch.
fn settle(round: u32, is_known: bool) {
    if !(NEAR && is_known) {
        if !NEAR {
            //+ meets_round();
        }
        if thread == 0u {
            atomicStore(&tally, 0u);
            if WEIGHED {
                atomicStore(&tally_high, 0u);
            }
        }
        workgroupBarrier();
        let index = round_index(round);
        for (var other = thread; other < WORKGROUPS; other += WORKGROUP_SIZE) {
            let at = (index & 1u) * WORKGROUPS + other;
            var low = received(COUNT + at, count_tag(index)) >> 1u;
            var high = 0u;
            if WEIGHED {
                high = received(COUNT_HIGH + at, count_tag(index)) >> 1u;
                if round == LARGEST_ROUND {
                    low |= high << 16u;
                }
            }
            add_up(round, low, high);
        }
        workgroupBarrier();
    }
    conclude(round);
    workgroupBarrier();
}

fn conclude(round: u32) {
    if !WEIGHED || round < BITS {
        threshold |= select(0u, 0x80000000u >> round, atomicLoad(&tally) >= request.top_k);
    } else if round == LARGEST_ROUND {
        largest = unsorted(atomicLoad(&tally));
        of_top_k = threshold;
        if TOP_P < 1.0 {
            threshold = 0u;
        }
    } else if round == TOTAL_ROUND {
        total = mass();
    } else if mass() >= TOP_P * total {
        threshold = candidate(round);
    }
}

fn mass() -> f32 {
    let low = atomicLoad(&tally);
    let high = atomicLoad(&tally_high) + (low >> LOW_BITS);
    return f32(high) * f32(1u << LOW_BITS) + f32(extractBits(low, 0u, LOW_BITS));
}

// Whether a token with this logit may be drawn, once all rounds are over.
fn is_left(logit: f32) -> bool {
    let is_likely = LN_MIN_P > 0.0 || logit - largest >= LN_MIN_P * request.temperature;
    return is_likely && sortable(logit) >= threshold;
}

// What is known goes on to the dispatch that goes on from here.
fn leave_threshold() {
    say(THRESHOLD + workgroup_index, threshold);
    if WEIGHED {
        say(WEIGHING + 3u * workgroup_index, of_top_k);
        say(WEIGHING + 3u * workgroup_index + 1u, bitcast<u32>(largest));
        say(WEIGHING + 3u * workgroup_index + 2u, bitcast<u32>(total));
    }
}

fn bring_threshold() {
    threshold = asked(THRESHOLD + workgroup_index);
    if WEIGHED {
        of_top_k = asked(WEIGHING + 3u * workgroup_index);
        largest = bitcast<f32>(asked(WEIGHING + 3u * workgroup_index + 1u));
        total = bitcast<f32>(asked(WEIGHING + 3u * workgroup_index + 2u));
    }
}

// A float's bits as an integer of the same order.
fn sortable(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

fn unsorted(order: u32) -> f32 {
    return bitcast<f32>(select(~order, order & 0x7fffffffu, (order & 0x80000000u) != 0u));
}
