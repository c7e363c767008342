// Scales of blocks of weights, where these are in one binding: the same words, one by one.

@group(0) @binding(7) var<storage, read> weight_words: array<u32>;

fn weight_word(stage: u32, at: u32) -> u32 {
    return weight_words[at];
}
