// GPT-2 decoding, whole, in one cooperative launch: what subgroup.wgsl does with several workgroups, written for Hopper.
//
// A group of LANES neighbouring threads computes rows of every matrix, the same in every token, so that a thread reads one
// fixed sequence of weights. `pack` lays that sequence out for it once. Where a block's weights fit into shared memory they are
// read once a generation; else every thread keeps a ring of them there, filled by asynchronous copies that no barrier and no
// wait for another block interrupts: memory streams while blocks wait for each other.
//
// Blocks hand values on through `exchange`, without a grid barrier: a value is its own signal. The last bit of a word is the
// parity of the round in which it was written, and a reader asks again until it has turned. A slot is written again only
// after every block has added to a stage in between, and none does before it has read all of the stage before; so relaxed
// accesses, coherent word by word, are enough. It costs a value its last bit. One block alone uses shared memory for that.
//
// Norms are computed by every group for itself, in registers. Each head's attention belongs to one block, and the threads
// that wrote a position's key and value are those that read them.
//
// Asking takes bandwidth away from the weights, so a thread may rest for PAUSE nanoseconds before it asks again. One that asks
// PATIENCE times in vain stops waiting for good and says so: the run then fails, and soon.

#include "host.cuh"

namespace {

constexpr float LOWEST = -3.4028234e38f;
constexpr int WARP = 32;
constexpr int WARPS = BLOCK / WARP;
constexpr int PATIENCE = 1 << 18;
// Bytes of shared memory a block of sm_90 may have, less some for the compiler.
constexpr int SHARED_LIMIT = 227 * 1024 - 1024;

constexpr __host__ __device__ int least(int a, int b) { return a < b ? a : b; }
constexpr __host__ __device__ int most(int a, int b) { return a > b ? a : b; }
constexpr __host__ __device__ int ceil_div(int a, int b) { return (a + b - 1) / b; }
constexpr __host__ __device__ int gcd(int a, int b) { return b == 0 ? a : gcd(b, a % b); }
constexpr __host__ __device__ int power_of_two(int x) { return x <= 1 ? 1 : 2 * power_of_two((x + 1) / 2); }

// Threads that share a row: as many as divide every row into equal parts.
constexpr int COMMON = gcd(gcd(N_EMBD4, HEADS4), gcd(N_INNER4, WARP));
constexpr int LANES = COMMON;
constexpr int GROUPS = GRID * BLOCK / LANES;
// float4 of a row that one thread has.
constexpr int EMBD_PART = N_EMBD4 / LANES;
constexpr int HEADS_PART = HEADS4 / LANES;
constexpr int INNER_PART = N_INNER4 / LANES;

constexpr int QUERY_KEY_VALUE_ROWS = 12 * HEADS4;
constexpr int EMBD_ROWS = 4 * N_EMBD4;
constexpr int INNER_ROWS = 4 * N_INNER4;

// float4 that the busiest thread reads for a token.
constexpr int LAYER_PARTS = ceil_div(QUERY_KEY_VALUE_ROWS, GROUPS) * EMBD_PART +
                            ceil_div(EMBD_ROWS, GROUPS) * (HEADS_PART + INNER_PART) +
                            ceil_div(INNER_ROWS, GROUPS) * EMBD_PART;
constexpr int PARTS = N_LAYER * LAYER_PARTS + ceil_div(VOCAB_SIZE, GROUPS) * EMBD_PART;

// Attention: threads that share a position, and heads that a block attends to at a time, each by whole warps.
constexpr int ATTENTION_LANES = power_of_two(HEAD4);
constexpr int TEAMS = most(1, least(gcd(WARPS, 64), power_of_two(ceil_div(N_HEAD, GRID))));
constexpr int TEAM = BLOCK / TEAMS;
constexpr int TEAM_WARPS = TEAM / WARP;
constexpr int POSITIONS_AT_ONCE = TEAM / ATTENTION_LANES;
// Keys and values that a thread asks for before it knows the query.
constexpr int AHEAD = least(4, ceil_div(POSITIONS, POSITIONS_AT_ONCE));
static_assert(ATTENTION_LANES <= WARP, "a head has at most 128 channels");

// Words of `exchange`, each vector a multiple of four.
constexpr int AFTER_ATTENTION = 0;
constexpr int AFTER_LAYER = AFTER_ATTENTION + 4 * N_EMBD4;
constexpr int QUERY = AFTER_LAYER + 4 * N_EMBD4;
constexpr int ATTENDED = QUERY + 12 * HEADS4;
constexpr int INNER = ATTENDED + 4 * HEADS4;
constexpr int BEST = INNER + 4 * N_INNER4;
constexpr int GAVE_UP = BEST + 2 * GRID;
constexpr int WORDS = GAVE_UP + 1;

struct Shared {
    float4 stream[N_EMBD4];  // the residual stream
    float4 query[3 * HEADS4];  // query, key, value
    float4 attended[HEADS4];
    float4 inner[N_INNER4];
    float4 partial[WARPS * ATTENTION_LANES];
    float largest[WARPS];
    float totals[WARPS];
    float scores[WARPS];
    unsigned candidates[WARPS];
};

// What is left of shared memory holds weights, BATCH float4 of a thread at a time.
constexpr int BATCH = gcd(gcd(EMBD_PART, HEADS_PART), INNER_PART);
constexpr int ROOM = (SHARED_LIMIT - int(sizeof(Shared))) / (16 * BLOCK) / BATCH;
constexpr bool RESIDENT = PARTS <= ROOM * BATCH;
constexpr int BATCHES = RESIDENT ? ceil_div(PARTS, BATCH) : least(ROOM, 24);
static_assert(BATCHES > 1, "shared memory has no room for weights");
constexpr int SHARED_BYTES = sizeof(Shared) + BATCHES * BATCH * BLOCK * 16;

DEVICE float4 select_each(float4 x, int first) {
    return make_float4(first < N_EMBD ? x.x : 0, first + 1 < N_EMBD ? x.y : 0, first + 2 < N_EMBD ? x.z : 0,
                       first + 3 < N_EMBD ? x.w : 0);
}

template <int COUNT>
DEVICE float add_lanes(float sum) {
#pragma unroll
    for (int distance = COUNT / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0u, sum, distance);
    return sum;
}

// Calls `each` with the place of every float4 that a thread reads, in the order in which it does.
template <typename Each>
DEVICE void for_each_part(int group, int lane, Each each) {
    const auto matrix = [&](int weight, int rows, int row4) {
        for (int row = group; row < rows; row += GROUPS) {
            for (int part = lane; part < row4; part += LANES) each(weight + row * row4 + part);
        }
    };
    for (int layer = 0; layer < N_LAYER; layer++) {
        const int base = LAYERS + layer * LAYER_STRIDE;
        matrix(base + ATTN_C_ATTN_WEIGHT, QUERY_KEY_VALUE_ROWS, N_EMBD4);
        matrix(base + ATTN_C_PROJ_WEIGHT, EMBD_ROWS, HEADS4);
        matrix(base + MLP_C_FC_WEIGHT, INNER_ROWS, N_EMBD4);
        matrix(base + MLP_C_PROJ_WEIGHT, EMBD_ROWS, N_INNER4);
    }
    matrix(WTE, VOCAB_SIZE, N_EMBD4);
}

// A thread's weights in the order of their use, over and over.
struct Sequence {
    const float4* memory;  // this thread's first; the next is BLOCK further on
    float4* ring;          // likewise
    int count;             // batches that the thread reads for a whole token
    int slot = 0;
    int next = 0;          // the batch to be asked for

    DEVICE void ask(int at) {
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            copy_async(ring + (at * BATCH + i) * BLOCK, memory + size_t(next * BATCH + i) * BLOCK);
        }
        next = next + 1 < count ? next + 1 : 0;
    }

    DEVICE void begin() {
        for (int at = 0; at < BATCHES; at++) {
            if (!RESIDENT || at < count) ask(at);
            commit_copies();
        }
        if (RESIDENT) wait_for_copies<0>();
    }

    DEVICE void take(float4 (&weights)[BATCH]) {
        if (!RESIDENT) wait_for_copies<BATCHES - 1>();
#pragma unroll
        for (int i = 0; i < BATCH; i++) weights[i] = ring[(slot * BATCH + i) * BLOCK];
        if (!RESIDENT) {
            ask(slot);
            commit_copies();
            slot = slot + 1 < BATCHES ? slot + 1 : 0;
        } else {
            slot++;
        }
    }

    // Passes over weights: the head's, after a token of the prompt whose logits nobody needs.
    DEVICE void skip(int batches) {
        for (int i = 0; i < batches; i++) {
            float4 weights[BATCH];
            take(weights);
        }
    }
};

// The part of a softmax over some positions: their largest score, and sums weighted by exp(score - largest).
struct Attended {
    float largest = LOWEST;
    float total = 0;
    float4 sum = make_float4(0, 0, 0, 0);
};

DEVICE Attended merged(const Attended& a, const Attended& b) {
    const float largest = fmaxf(a.largest, b.largest);
    const float keep_a = __expf(a.largest - largest);
    const float keep_b = __expf(b.largest - largest);
    Attended all;
    all.largest = largest;
    all.total = a.total * keep_a + b.total * keep_b;
    all.sum = a.sum * keep_a + b.sum * keep_b;
    return all;
}

template <int DISTANCE>
DEVICE float4 from_lane(float4 x) {
    return make_float4(__shfl_xor_sync(~0u, x.x, DISTANCE), __shfl_xor_sync(~0u, x.y, DISTANCE),
                       __shfl_xor_sync(~0u, x.z, DISTANCE), __shfl_xor_sync(~0u, x.w, DISTANCE));
}

enum Stage { QUERY_KEY_VALUE, PROJECTION, FC, MLP, LOGITS };

// One thread's view of the generation.
struct Decoder {
    Shared& shared;
    Sequence sequence;
    const float4* weights;
    float4* cache;  // [layer][position][key, value][HEADS4]
    float* logits;  // the last ones
    unsigned* tokens;
    unsigned* exchange;
    int block;
    int thread;
    int group = (block * BLOCK + thread) / LANES;
    int lane = thread % LANES;
    int position = 0;
    int layer = 0;
    unsigned parity = 0;  // of this layer's round
    int patience = PATIENCE;
    float mean = 0;  // of the last norm
    float best_score = LOWEST;
    unsigned best_token = 0;
    float4 x[EMBD_PART];  // this thread's part of the input, normed

    DEVICE float* words(float4* vector) const { return reinterpret_cast<float*>(vector); }

    // Hands element `i` of a vector on.
    DEVICE void hand_on(int slot, float4* region, int i, float value) {
        if (GRID == 1) {
            words(region)[i] = value;
        } else {
            store_relaxed(exchange + slot + i, (__float_as_uint(value) & ~1u) | parity);
        }
    }

    // Fills a region with what all blocks have handed on.
    template <int COUNT4>
    DEVICE void collect(int slot, float4* region) {
        if (GRID > 1) {
            constexpr int EACH = ceil_div(COUNT4, BLOCK);
            uint4 found[EACH];
            unsigned missing = 0;
#pragma unroll
            for (int i = 0; i < EACH; i++) {
                if (thread + i * BLOCK < COUNT4) missing |= 1u << i;
            }
            for (int polls = 0; missing != 0 && polls <= patience; polls++) {
#pragma unroll
                for (int i = 0; i < EACH; i++) {
                    if (missing >> i & 1) found[i] = load_relaxed(exchange + slot + 4 * (thread + i * BLOCK));
                }
#pragma unroll
                for (int i = 0; i < EACH; i++) {
                    const unsigned all = parity ? found[i].x & found[i].y & found[i].z & found[i].w
                                                : ~(found[i].x | found[i].y | found[i].z | found[i].w);
                    if ((missing >> i & 1) && (all & 1)) {
                        region[thread + i * BLOCK] =
                            make_float4(__uint_as_float(found[i].x), __uint_as_float(found[i].y),
                                        __uint_as_float(found[i].z), __uint_as_float(found[i].w));
                        missing &= ~(1u << i);
                    }
                }
                if (PAUSE > 0 && missing != 0) __nanosleep(PAUSE);
            }
            if (missing != 0) patience = 0;
        }
        __syncthreads();
    }

    // x = (stream - mean) / sqrt(variance + epsilon) * weight + bias, this thread's part of it. Sums are of what is left after
    // the mean of the norm before, so that one pass gives the variance and little cancels.
    DEVICE void norm(const float4 (&weight)[EMBD_PART], const float4 (&bias)[EMBD_PART]) {
        float sum = 0, squares = 0;
#pragma unroll
        for (int i = 0; i < EMBD_PART; i++) {
            x[i] = shared.stream[lane + i * LANES];
            const float4 shift = make_float4(x[i].x - mean, x[i].y - mean, x[i].z - mean, x[i].w - mean);
            const float4 left = select_each(shift, 4 * (lane + i * LANES));
            sum += left.x + left.y + left.z + left.w;
            squares += dot(left, left);
        }
        sum = add_lanes<LANES>(sum) / N_EMBD;
        squares = add_lanes<LANES>(squares) / N_EMBD;
        mean += sum;
        const float scale = rsqrtf(fmaxf(squares - sum * sum, 0.0f) + EPSILON);
#pragma unroll
        for (int i = 0; i < EMBD_PART; i++) {
            const float4 centred = make_float4(x[i].x - mean, x[i].y - mean, x[i].z - mean, x[i].w - mean);
            x[i] = centred * scale * weight[i] + bias[i];
        }
    }

    // Asks for this thread's part of a norm's weight or bias.
    DEVICE void ask_for(float4 (&part)[EMBD_PART], int at) const {
#pragma unroll
        for (int i = 0; i < EMBD_PART; i++) part[i] = __ldg(weights + at + lane + i * LANES);
    }

    // The product of one row with the input: x, or a vector in shared memory.
    template <int PART, bool FROM_X>
    DEVICE float dot_row(const float4* input) {
        float4 sum = make_float4(0, 0, 0, 0);
#pragma unroll(PART / BATCH <= 8 ? PART / BATCH : 4)
        for (int first = 0; first < PART; first += BATCH) {
            float4 part[BATCH];
            sequence.take(part);
#pragma unroll
            for (int i = 0; i < BATCH; i++) {
                const float4 in = FROM_X ? x[least(first + i, EMBD_PART - 1)] : input[lane + (first + i) * LANES];
                sum = make_float4(fmaf(part[i].x, in.x, sum.x), fmaf(part[i].y, in.y, sum.y),
                                  fmaf(part[i].z, in.z, sum.z), fmaf(part[i].w, in.w, sum.w));
            }
        }
        return sum.x + sum.y + (sum.z + sum.w);
    }

    // All rows of this group, up to four at a time, so that their sums are added up side by side. The tied head has no bias.
    template <Stage STAGE, int ROWS, int PART>
    DEVICE void linear(int bias, const float4* input) {
        constexpr int TURNS = ceil_div(ROWS, GROUPS);
        constexpr int AT_ONCE = least(TURNS, 4);
        for (int turn = 0; turn < TURNS; turn += AT_ONCE) {
            float sums[AT_ONCE], biases[AT_ONCE];
#pragma unroll
            for (int i = 0; i < AT_ONCE; i++) {
                const int row = least((turn + i) * GROUPS + group, ROWS - 1);
                biases[i] = STAGE == LOGITS ? 0 : __ldg(reinterpret_cast<const float*>(weights + bias) + row);
            }
#pragma unroll
            for (int i = 0; i < AT_ONCE; i++) {
                const int row = (turn + i) * GROUPS + group;
                sums[i] = row < ROWS ? dot_row<PART, STAGE == QUERY_KEY_VALUE || STAGE == FC || STAGE == LOGITS>(input) : 0;
            }
#pragma unroll
            for (int i = 0; i < AT_ONCE; i++) sums[i] = add_lanes<LANES>(sums[i]);
#pragma unroll
            for (int i = 0; i < AT_ONCE; i++) {
                const int row = (turn + i) * GROUPS + group;
                if (row < ROWS && lane == 0) finish<STAGE>(row, sums[i] + biases[i]);
            }
        }
    }

    template <Stage STAGE>
    DEVICE void finish(int row, float value) {
        if constexpr (STAGE == QUERY_KEY_VALUE) {
            hand_on(QUERY, shared.query, row, value);
        } else if constexpr (STAGE == PROJECTION) {
            hand_on(AFTER_ATTENTION, shared.stream, row, words(shared.stream)[row] + value);
        } else if constexpr (STAGE == FC) {
            hand_on(INNER, shared.inner, row, gelu(value));
        } else if constexpr (STAGE == MLP) {
            hand_on(AFTER_LAYER, shared.stream, row, words(shared.stream)[row] + value);
        } else {
            logits[row] = value;
            consider(value, row);
        }
    }

    DEVICE int cached(int at, int column) const {
        return (layer * POSITIONS + least(at, POSITIONS - 1)) * 2 * HEADS4 + column;
    }

    // softmax(query keys^T * scale) values of TEAMS heads from `first_head` on, each by a team of threads. A group of
    // ATTENTION_LANES threads takes a position, the group after it the next one.
    DEVICE void attention(int first_head) {
        const int member = thread % TEAM;
        const int head = least(first_head + thread / TEAM, N_HEAD - 1);
        const int part_of_head = member % ATTENTION_LANES;
        const int of_team = member / ATTENTION_LANES;
        const bool used = part_of_head < HEAD4 && first_head + thread / TEAM < N_HEAD;
        const int column = head * HEAD4 + least(part_of_head, HEAD4 - 1);
        float4 keys[AHEAD], values[AHEAD];
        const auto ask = [&](int first) {
#pragma unroll
            for (int i = 0; i < AHEAD; i++) {
                const int place = cached(first + i * POSITIONS_AT_ONCE + of_team, column);
                keys[i] = cache[place];
                values[i] = cache[place + HEADS4];
            }
        };
        ask(0);
        if (first_head == block * TEAMS) {
            collect_heads();
        }
        const float4 zero = make_float4(0, 0, 0, 0);
        const float4 query = used ? shared.query[column] : zero;
        Attended part;
        for (int first = 0; first <= position; first += AHEAD * POSITIONS_AT_ONCE) {
            if (first > 0) ask(first);
#pragma unroll
            for (int i = 0; i < AHEAD; i++) {
                const int at = first + i * POSITIONS_AT_ONCE + of_team;
                // The same for the whole warp, so that its lanes shuffle together.
                if (first + i * POSITIONS_AT_ONCE > position) break;
                float4 key = keys[i], value = values[i];
                if (at == position) {
                    key = shared.query[HEADS4 + column];
                    value = shared.query[2 * HEADS4 + column];
                    if (used) {
                        cache[cached(at, column)] = key;
                        cache[cached(at, column) + HEADS4] = value;
                    }
                }
                const float score = add_lanes<ATTENTION_LANES>(used ? dot(query, key) : 0.0f) * SCALE;
                if (at <= position) {
                    Attended one;
                    one.largest = score;
                    one.total = 1;
                    one.sum = value;
                    part = merged(part, one);
                }
            }
        }
        merge_lanes<ATTENTION_LANES>(part);
        const int warp = thread / WARP;
        if (thread % WARP < ATTENTION_LANES) shared.partial[warp * ATTENTION_LANES + part_of_head] = part.sum;
        if (thread % WARP == 0) {
            shared.largest[warp] = part.largest;
            shared.totals[warp] = part.total;
        }
        __syncthreads();
        if (member < ATTENTION_LANES && used) {
            const int first = thread / TEAM * TEAM_WARPS;
            float largest = LOWEST;
#pragma unroll 8
            for (int other = 0; other < TEAM_WARPS; other++) largest = fmaxf(largest, shared.largest[first + other]);
            float total = 0;
            float4 sum = zero;
#pragma unroll 8
            for (int other = 0; other < TEAM_WARPS; other++) {
                const float share = __expf(shared.largest[first + other] - largest);
                total += share * shared.totals[first + other];
                sum = fused(share, shared.partial[(first + other) * ATTENTION_LANES + part_of_head], sum);
            }
            const float4 result = sum * (1 / total);
            hand_on(ATTENDED, shared.attended, 4 * column, result.x);
            hand_on(ATTENDED, shared.attended, 4 * column + 1, result.y);
            hand_on(ATTENDED, shared.attended, 4 * column + 2, result.z);
            hand_on(ATTENDED, shared.attended, 4 * column + 3, result.w);
        }
    }

    template <int DISTANCE>
    DEVICE void merge_lanes(Attended& part) {
        if constexpr (DISTANCE < WARP) {
            Attended other;
            other.largest = __shfl_xor_sync(~0u, part.largest, DISTANCE);
            other.total = __shfl_xor_sync(~0u, part.total, DISTANCE);
            other.sum = from_lane<DISTANCE>(part.sum);
            part = merged(part, other);
            merge_lanes<2 * DISTANCE>(part);
        }
    }

    // Query, key and value of this block's heads.
    DEVICE void collect_heads() {
        if (GRID > 1) {
            constexpr int HEADS = ceil_div(N_HEAD, GRID * TEAMS) * TEAMS;  // of a block, at most
            for (int i = thread; i < 3 * HEADS * HEAD4; i += BLOCK) {
                const int turn = i / HEAD4 % HEADS;
                const int head = turn / TEAMS * GRID * TEAMS + block * TEAMS + turn % TEAMS;
                if (head >= N_HEAD) continue;
                const int at = i / (HEADS * HEAD4) * HEADS4 + head * HEAD4 + i % HEAD4;
                uint4 found = load_relaxed(exchange + QUERY + 4 * at);
                for (int polls = 0; !turned(found) && polls < patience; polls++) {
                    found = load_relaxed(exchange + QUERY + 4 * at);
                }
                if (!turned(found)) patience = 0;
                shared.query[at] = make_float4(__uint_as_float(found.x), __uint_as_float(found.y),
                                               __uint_as_float(found.z), __uint_as_float(found.w));
            }
        }
        __syncthreads();
    }

    DEVICE bool turned(uint4 word) const {
        return ((parity ? word.x & word.y & word.z & word.w : ~(word.x | word.y | word.z | word.w)) & 1) != 0;
    }

    // Larger score first, lower token among equals.
    DEVICE void consider(float score, unsigned token) {
        if (score > best_score || (score == best_score && token < best_token)) {
            best_score = score;
            best_token = token;
        }
    }

    template <int LARGEST>
    DEVICE void consider_lanes() {
#pragma unroll
        for (int distance = LARGEST / 2; distance > 0; distance /= 2) {
            const float score = __shfl_xor_sync(~0u, best_score, distance);
            consider(score, __shfl_xor_sync(~0u, best_token, distance));
        }
    }

    // The best of all threads' candidates, of all blocks, becomes the next token.
    DEVICE unsigned choose(int new_token) {
        consider_lanes<WARP>();
        if (thread % WARP == 0) {
            shared.scores[thread / WARP] = best_score;
            shared.candidates[thread / WARP] = best_token;
        }
        __syncthreads();
        if (GRID == 1 || thread < WARP) {
            for (int other = thread % WARP; other < WARPS; other += WARP) consider(shared.scores[other], shared.candidates[other]);
            consider_lanes<WARP>();
        }
        if (GRID > 1) {
            // The score, and the token with the round's parity: eight bytes, which arrive together.
            const unsigned tag = ~new_token & 1;
            if (thread == 0) {
                const uint64_t word = uint64_t(__float_as_uint(best_score)) << 32 | best_token << 1 | tag;
                store_relaxed(reinterpret_cast<uint64_t*>(exchange + BEST) + block, word);
            }
            for (int other = thread % WARP; other < GRID; other += WARP) {
                const uint64_t* place = reinterpret_cast<const uint64_t*>(exchange + BEST) + other;
                uint64_t word = load_relaxed(place);
                for (int polls = 0; (word & 1) != tag && polls < patience; polls++) word = load_relaxed(place);
                if ((word & 1) != tag) patience = 0;
                consider(__uint_as_float(unsigned(word >> 32)), unsigned(word) >> 1);
            }
            consider_lanes<WARP>();
        }
        if (block == 0 && thread == 0) tokens[position + 1] = best_token;
        return best_token;
    }

    DEVICE void add_embedding(unsigned token) {
        const int row = WTE + least(token, VOCAB_SIZE - 1) * N_EMBD4;
        for (int i = thread; i < N_EMBD4; i += BLOCK) {
            shared.stream[i] = __ldg(weights + row + i) + __ldg(weights + WPE + position * N_EMBD4 + i);
        }
        __syncthreads();
    }

    DEVICE void decode(int prompt_tokens, int steps) {
        sequence.begin();
        unsigned token = 0;
        float4 weight[EMBD_PART], bias[EMBD_PART];
        for (position = 0; position < steps; position++) {
            if (RESIDENT) sequence.slot = 0;
            if (position < prompt_tokens) token = tokens[position];
            add_embedding(token);
            for (layer = 0; layer < N_LAYER; layer++) {
                const int base = LAYERS + layer * LAYER_STRIDE;
                ask_for(weight, base + LN_1_WEIGHT);
                ask_for(bias, base + LN_1_BIAS);
                if (layer > 0) collect<N_EMBD4>(AFTER_LAYER, shared.stream);
                parity = (position * N_LAYER + layer + 1) & 1;
                norm(weight, bias);
                linear<QUERY_KEY_VALUE, QUERY_KEY_VALUE_ROWS, EMBD_PART>(base + ATTN_C_ATTN_BIAS, nullptr);
                for (int first = block * TEAMS; first < N_HEAD; first += GRID * TEAMS) {
                    if (first >= GRID * TEAMS) __syncthreads();
                    attention(first);
                }
                collect<HEADS4>(ATTENDED, shared.attended);
                linear<PROJECTION, EMBD_ROWS, HEADS_PART>(base + ATTN_C_PROJ_BIAS, shared.attended);
                ask_for(weight, base + LN_2_WEIGHT);
                ask_for(bias, base + LN_2_BIAS);
                collect<N_EMBD4>(AFTER_ATTENTION, shared.stream);
                norm(weight, bias);
                linear<FC, INNER_ROWS, EMBD_PART>(base + MLP_C_FC_BIAS, nullptr);
                collect<N_INNER4>(INNER, shared.inner);
                linear<MLP, EMBD_ROWS, INNER_PART>(base + MLP_C_PROJ_BIAS, shared.inner);
            }
            ask_for(weight, LN_F_WEIGHT);
            ask_for(bias, LN_F_BIAS);
            // Seen by all even where no token is chosen yet, so that no round is missed.
            collect<N_EMBD4>(AFTER_LAYER, shared.stream);
            if (position + 1 < prompt_tokens) {
                if (!RESIDENT) sequence.skip(head_batches());
                continue;
            }
            norm(weight, bias);
            best_score = LOWEST;
            best_token = VOCAB_SIZE;
            linear<LOGITS, VOCAB_SIZE, EMBD_PART>(0, nullptr);
            token = choose(position + 1 - prompt_tokens);
        }
        if (GRID > 1 && patience == 0) store_relaxed(exchange + GAVE_UP, 1u);
    }

    DEVICE int head_batches() const {
        return group < VOCAB_SIZE ? ceil_div(VOCAB_SIZE - group, GROUPS) * EMBD_PART / BATCH : 0;
    }
};

}  // namespace

// A thread's sequence starts at its place in the block's part of `packed`; returns in batches how long it is.
DEVICE int sequence_of(int block, int thread, const float4* weights, float4* packed) {
    int count = 0;
    for_each_part((block * BLOCK + thread) / LANES, thread % LANES, [&](int at) {
        if (packed) packed[size_t(count) * BLOCK] = weights[at];
        count++;
    });
    return count / BATCH;
}

__global__ void __launch_bounds__(BLOCK, 1) pack(Arguments a) {
    const int block = block_index(), thread = thread_index();
    sequence_of(block, thread, a.weights, a.packed + size_t(block) * PARTS * BLOCK + thread);
}

__global__ void __launch_bounds__(BLOCK, 1) decode(Arguments a) {
    const int block = block_index(), thread = thread_index();
    Shared& shared = *reinterpret_cast<Shared*>(dynamic_shared());
    float4* ring = reinterpret_cast<float4*>(&shared + 1) + thread;
    Sequence sequence{a.packed + size_t(block) * PARTS * BLOCK + thread, ring, sequence_of(block, thread, nullptr, nullptr)};
    Decoder{shared, sequence, a.weights, a.cache, reinterpret_cast<float*>(a.logits), a.tokens, a.exchange, block, thread}
        .decode(a.prompt_tokens, a.steps);
}

HOST(decode, SHARED_BYTES, WORDS, size_t(GRID) * PARTS * BLOCK, pack)
