// How the weights of a row are written.
//
// A row is its chunks, vec4u of neighbouring weights, and behind them the scales of its blocks of 32 weights, where its format has
// such: of one after another 16 bits, or of Q4_1 32, the upper half the least weight.
const F32: u32 = 0u;
const F16: u32 = 1u;
const BF16: u32 = 2u;
const Q8_0: u32 = 3u;
const Q4_0: u32 = 4u;
const Q4_1: u32 = 5u;

override EMBEDDING_FORMAT: u32 = 0;
override QUERY_KEY_VALUE_FORMAT: u32 = 0;
override PROJECTION_FORMAT: u32 = 0;
override FC_FORMAT: u32 = 0;
override MLP_FORMAT: u32 = 0;
override LOGITS_FORMAT: u32 = 0;

// Vec4f in a chunk.
fn vec4_in_chunk(format: u32) -> u32 {
    switch format {
        case F32: { return 1u; }
        case F16, BF16: { return 2u; }
        case Q8_0: { return 4u; }
        default: { return 8u; }
    }
}

fn has_scales(format: u32) -> bool {
    return format >= Q8_0;
}

fn chunks_in(format: u32, in4: u32) -> u32 {
    return (in4 + vec4_in_chunk(format) - 1u) / vec4_in_chunk(format);
}

// Vec4u in a row.
fn row_size(format: u32, in4: u32) -> u32 {
    let blocks = (in4 + 7u) / 8u;
    switch format {
        case F32, F16, BF16: { return chunks_in(format, in4); }
        case Q4_1: { return chunks_in(format, in4) + (blocks + 3u) / 4u; }
        default: { return chunks_in(format, in4) + (blocks + 7u) / 8u; }
    }
}

// Vec4f `i` of a chunk, without its scale.
fn numbers(format: u32, chunk: vec4u, i: u32) -> vec4f {
    switch format {
        case F32: { return bitcast<vec4f>(chunk); }
        case F16: {
            let two = select(chunk.xy, chunk.zw, i == 1u);
            return vec4f(unpack2x16float(two.x), unpack2x16float(two.y));
        }
        case BF16: {
            let two = select(chunk.xy, chunk.zw, i == 1u);
            return bitcast<vec4f>(vec4u(two.x << 16u, two.x & 0xffff0000u, two.y << 16u, two.y & 0xffff0000u));
        }
        case Q8_0: {
            return vec4f(bitcast<vec4i>(vec4u(chunk[i]) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u));
        }
        default: {
            let four_bits = (vec4u(chunk[i % 4u]) >> (vec4u(0u, 8u, 16u, 24u) + vec4u(i / 4u * 4u))) & vec4u(15u);
            return vec4f(four_bits) - select(0.0, 8.0, format == Q4_0);
        }
    }
}

// Where the word is that has the scale of a chunk; `scales` is where those of its row begin, in vec4u.
fn scale_place(format: u32, scales: u32, chunk: u32) -> u32 {
    switch format {
        case Q8_0: { return 4u * scales + chunk / 4u; }
        case Q4_0: { return 4u * scales + chunk / 2u; }
        default: { return 4u * scales + chunk; }
    }
}

// The scale and the least weight of a chunk, of the word that has them.
fn scale_of(format: u32, word: u32, chunk: u32) -> vec2f {
    let both = unpack2x16float(word);
    switch format {
        case Q8_0: { return vec2f(select(both.x, both.y, chunk / 2u % 2u == 1u), 0.0); }
        case Q4_0: { return vec2f(select(both.x, both.y, chunk % 2u == 1u), 0.0); }
        default: { return both; }
    }
}

// Vec4f `i` of the token that is fed.
fn embedding(i: u32) -> vec4f {
    let at = WTE + fed * row_size(EMBEDDING_FORMAT, N_EMBD4);
    let chunk = i / vec4_in_chunk(EMBEDDING_FORMAT);
    var row = numbers(EMBEDDING_FORMAT, weights[at + chunk], i % vec4_in_chunk(EMBEDDING_FORMAT));
    if has_scales(EMBEDDING_FORMAT) {
        let scales = at + chunks_in(EMBEDDING_FORMAT, N_EMBD4);
        let word = weight_word(EMBEDDING, scale_place(EMBEDDING_FORMAT, scales, chunk));
        let scale = scale_of(EMBEDDING_FORMAT, word, chunk);
        row = row * scale.x + scale.y;
    }
    if ROTARY {
        return row;
    }
    return row + vector(WPE + position * N_EMBD4 + i);
}
