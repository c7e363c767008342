// GPT-2 decoding, whole, in one kernel of one block: shaders/decode/workgroup.wgsl, stage by stage, under the same names.
//
// What a CUDA compiler is given that a WGSL compiler is not: every trip count and divisor as a constant of the stage, loads
// that are known to be read-only, and fast exponentials. The algorithm and the order of the stages are the shader's
// of before version 8 (shaders/README.md); only greedy decoding is ported.
//
// The sizes are constants of case.h, which run.py writes for each case; BLOCK is the shader's WORKGROUP_SIZE.

#include "host.cuh"

namespace {

constexpr float LOWEST = -3.4028234e38f;

constexpr __host__ __device__ int clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }
constexpr __host__ __device__ int least(int a, int b) { return a < b ? a : b; }
constexpr __host__ __device__ int most(int a, int b) { return a > b ? a : b; }

constexpr int NARROW4 = most(N_EMBD4, HEADS4);
constexpr int WIDE4 = most(N_INNER4, HEADS4);
constexpr int NORM_LANES = least(least(BLOCK, N_EMBD4), 32);
constexpr int HEAD_LANES = clamp(BLOCK / N_HEAD, 1, 64);
constexpr int LANE_SCORES = most(BLOCK, N_HEAD * HEAD_LANES);

// Regions of `hidden`: the residual stream; what a matrix reads or attention writes; query or inner layer.
constexpr int STREAM = 0;
constexpr int NARROW = N_EMBD4;
constexpr int WIDE = N_EMBD4 + NARROW4;

struct Shared {
    float4 hidden[N_EMBD4 + NARROW4 + WIDE4];
    float4 partial[BLOCK];
    float lane_scores[LANE_SCORES];
    float totals[BLOCK];
    unsigned candidates[BLOCK];
    unsigned chosen;
};

enum Stage { QUERY_KEY_VALUE, RESIDUAL, GELU, LOGITS };

// One thread's view of the generation.
struct Decoder {
    Shared& shared;
    const float4* weights;
    float4* cache;   // [layer][key, value][position][HEADS4]
    float* scores;   // [head][position]
    float4* logits;  // [VOCAB4]: the last ones
    unsigned* tokens;
    int thread;
    int position = 0;
    int layer = 0;
    float best_score = LOWEST;  // of this thread's candidates for the next token
    unsigned best_token = 0;

    DEVICE float4 weight_at(int at) const { return __ldg(weights + at); }

    DEVICE void add_embedding(unsigned token) {
        for (int i = thread; i < N_EMBD4; i += BLOCK) {
            const float* column = reinterpret_cast<const float*>(weights + WTE + 4 * i * VOCAB4) + token;
            const float4 row = make_float4(__ldg(column), __ldg(column + 4 * VOCAB4), __ldg(column + 8 * VOCAB4),
                                           __ldg(column + 12 * VOCAB4));
            shared.hidden[STREAM + i] = row + weight_at(WPE + position * N_EMBD4 + i);
        }
        __syncthreads();
    }

    // Elements, without padding, that a norm's lane gathers.
    DEVICE float lane_count(int lane) const {
        if (N_EMBD % 4 == 0 && N_EMBD4 % NORM_LANES == 0) return 4 * (N_EMBD4 / NORM_LANES);
        int count = 0;
        for (int i = lane; i < N_EMBD4; i += NORM_LANES) count += min(4, N_EMBD - 4 * i);
        return count;
    }

    // NARROW = (STREAM - mean) / sqrt(variance + epsilon) * weight + bias. Lanes gather their own mean and sum of squared
    // deviations; all threads combine them (Chan, Golub, LeVeque 1979).
    DEVICE void layer_norm(int weight, int bias) {
        if (thread < NORM_LANES) {
            float sum = 0;
            for (int i = thread; i < N_EMBD4; i += NORM_LANES) {
                const float4 x = shared.hidden[STREAM + i];
                sum += x.x + x.y + x.z + x.w;
            }
            const float mean = sum / lane_count(thread);
            float squares = 0;
            for (int i = thread; i < N_EMBD4; i += NORM_LANES) {
                const float4 x = shared.hidden[STREAM + i];
                squares += square(x.x - mean);
                if (N_EMBD % 4 == 0 || 4 * i + 1 < N_EMBD) squares += square(x.y - mean);
                if (N_EMBD % 4 == 0 || 4 * i + 2 < N_EMBD) squares += square(x.z - mean);
                if (N_EMBD % 4 == 0 || 4 * i + 3 < N_EMBD) squares += square(x.w - mean);
            }
            shared.partial[thread] = make_float4(sum, mean, squares, 0);
        }
        __syncthreads();
        float sum = 0;
#pragma unroll
        for (int lane = 0; lane < NORM_LANES; lane++) sum += shared.partial[lane].x;
        const float mean = sum / N_EMBD;
        float squares = 0;
#pragma unroll
        for (int lane = 0; lane < NORM_LANES; lane++) {
            const float4 part = shared.partial[lane];
            squares += part.z + lane_count(lane) * square(part.y - mean);
        }
        const float scale = rsqrtf(squares / N_EMBD + EPSILON);
        for (int i = thread; i < N_EMBD4; i += BLOCK) {
            const float4 x = shared.hidden[STREAM + i];
            const float4 normed = make_float4(x.x - mean, x.y - mean, x.z - mean, x.w - mean) * scale;
            shared.hidden[NARROW + i] = normed * weight_at(weight + i) + weight_at(bias + i);
        }
        __syncthreads();
    }

    template <Stage STAGE>
    DEVICE void finish(int column, float4 value) {
        if constexpr (STAGE == QUERY_KEY_VALUE) {
            if (column < HEADS4) {
                shared.hidden[WIDE + column] = value;
            } else if (column < 2 * HEADS4) {
                cache[key_at(position) + column - HEADS4] = value;
            } else {
                cache[value_at(position) + column - 2 * HEADS4] = value;
            }
        } else if constexpr (STAGE == RESIDUAL) {
            shared.hidden[STREAM + column] = shared.hidden[STREAM + column] + value;
        } else if constexpr (STAGE == GELU) {
            shared.hidden[WIDE + column] = make_float4(gelu(value.x), gelu(value.y), gelu(value.z), gelu(value.w));
        } else {
            logits[column] = value;
            consider(value.x, 4 * column);
            consider(value.y, 4 * column + 1);
            consider(value.z, 4 * column + 2);
            consider(value.w, 4 * column + 3);
        }
    }

    // The tied head has no bias.
    template <Stage STAGE>
    DEVICE float4 with_bias(float4 sum, int bias, int column) const {
        if constexpr (STAGE == LOGITS) return sum;
        return sum + weight_at(bias + column);
    }

    // One matrix over the vector at `input`: threads share out columns, and slices of the inputs where columns are few.
    template <Stage STAGE, int IN4, int OUT4>
    DEVICE void linear(int input, int weight, int bias) {
        constexpr int SLICES = clamp(BLOCK / OUT4, 1, IN4);
        if constexpr (SLICES > 1) {
            const int column = thread % OUT4;
            const int slice = thread / OUT4;
            if (slice < SLICES) {
                const int begin = slice * IN4 / SLICES;
                // With slices of one length the trip count is a constant.
                const int end = IN4 % SLICES == 0 ? begin + IN4 / SLICES : (slice + 1) * IN4 / SLICES;
                shared.partial[thread] = dot_column<OUT4>(input, begin, end, weight + column);
            }
            __syncthreads();
            if (thread < OUT4) {
                float4 sum = shared.partial[thread];
#pragma unroll 8
                for (int other = 1; other < SLICES; other++) sum = sum + shared.partial[other * OUT4 + thread];
                finish<STAGE>(thread, with_bias<STAGE>(sum, bias, thread));
            }
        } else {
            for (int column = thread; column < OUT4; column += BLOCK) {
                const float4 sum = dot_column<OUT4>(input, 0, IN4, weight + column);
                finish<STAGE>(column, with_bias<STAGE>(sum, bias, column));
            }
        }
        __syncthreads();
    }

    template <int OUT4>
    DEVICE float4 dot_column(int input, int begin, int end, int weight) const {
        float4 sum = make_float4(0, 0, 0, 0);
        const float4* row = weights + weight + 4 * begin * OUT4;
        // As many loads in flight as registers allow: a block of 1,024 threads has 64 of them for each.
#pragma unroll UNROLL
        for (int i = begin; i < end; i++, row += 4 * OUT4) {
            const float4 x = shared.hidden[input + i];
            sum = fused(x.x, __ldg(row), sum);
            sum = fused(x.y, __ldg(row + OUT4), sum);
            sum = fused(x.z, __ldg(row + 2 * OUT4), sum);
            sum = fused(x.w, __ldg(row + 3 * OUT4), sum);
        }
        return sum;
    }

    DEVICE int key_at(int at) const { return (layer * 2 * POSITIONS + at) * HEADS4; }
    DEVICE int value_at(int at) const { return (layer * 2 * POSITIONS + POSITIONS + at) * HEADS4; }

    // NARROW = softmax(query keys^T * scale) values, head by head: scores and their maxima; then weighted sums of the values
    // over slices of the positions; then the slices are added.
    DEVICE void attention() {
        for (int item = thread; item < N_HEAD * HEAD_LANES; item += BLOCK) {
            const int head = item / HEAD_LANES;
            float largest = LOWEST;
            for (int at = item % HEAD_LANES; at <= position; at += HEAD_LANES) {
                const float4* key = cache + key_at(at) + head * HEAD4;
                float score = 0;
#pragma unroll UNROLL
                for (int i = 0; i < HEAD4; i++) score += dot(shared.hidden[WIDE + head * HEAD4 + i], key[i]);
                score *= SCALE;
                scores[head * POSITIONS + at] = score;
                largest = fmaxf(largest, score);
            }
            shared.lane_scores[item] = largest;
        }
        // Within a block this orders global memory too.
        __syncthreads();

        constexpr int SLICES = most(BLOCK / HEADS4, 1);
        if constexpr (SLICES > 1) {
            const int column = thread % HEADS4;
            const int slice = thread / HEADS4;
            float4 sum = make_float4(0, 0, 0, 0);
            float total = 0;
            if (slice < SLICES) weigh_values<SLICES>(column, slice, sum, total);
            shared.partial[thread] = sum;
            shared.totals[thread] = total;
            __syncthreads();
            if (thread < HEADS4) {
#pragma unroll 8
                for (int other = 1; other < SLICES; other++) {
                    sum = sum + shared.partial[other * HEADS4 + thread];
                    total += shared.totals[other * HEADS4 + thread];
                }
                shared.hidden[NARROW + thread] = sum * (1 / total);
            }
        } else {
            for (int column = thread; column < HEADS4; column += BLOCK) {
                float4 sum = make_float4(0, 0, 0, 0);
                float total = 0;
                weigh_values<1>(column, 0, sum, total);
                shared.hidden[NARROW + column] = sum * (1 / total);
            }
        }
        __syncthreads();
    }

    template <int SLICES>
    DEVICE void weigh_values(int column, int slice, float4& sum, float& total) const {
        const int head = column / HEAD4;
        const float largest = largest_score(head);
#pragma unroll UNROLL
        for (int at = slice; at <= position; at += SLICES) {
            const float share = __expf(scores[head * POSITIONS + at] - largest);
            sum = fused(share, cache[value_at(at) + column], sum);
            total += share;
        }
    }

    DEVICE float largest_score(int head) const {
        float largest = LOWEST;
        for (int lane = 0; lane < min(HEAD_LANES, position + 1); lane++) {
            largest = fmaxf(largest, shared.lane_scores[head * HEAD_LANES + lane]);
        }
        return largest;
    }

    // Larger score first, lower token among equals; padding never.
    DEVICE void consider(float score, unsigned token) {
        if (token < VOCAB_SIZE && (score > best_score || (score == best_score && token < best_token))) {
            best_score = score;
            best_token = token;
        }
    }

    // The best of all threads' candidates becomes the next token: each level gathers eight into one.
    DEVICE unsigned choose() {
        shared.lane_scores[thread] = best_score;
        shared.candidates[thread] = best_token;
#pragma unroll
        for (int entries = least(BLOCK, VOCAB4); entries > 1; entries = (entries + 7) / 8) {
            __syncthreads();
            const int groups = (entries + 7) / 8;
            if (thread < groups) {
#pragma unroll
                for (int other = thread + groups; other < entries; other += groups) {
                    consider(shared.lane_scores[other], shared.candidates[other]);
                }
                shared.lane_scores[thread] = best_score;
                shared.candidates[thread] = best_token;
            }
        }
        if (thread == 0) {
            shared.chosen = best_token;
            tokens[position + 1] = best_token;
        }
        __syncthreads();
        return shared.chosen;
    }

    DEVICE void decode(int prompt_tokens, int steps) {
        unsigned token = 0;
        for (position = 0; position < steps; position++) {
            if (position < prompt_tokens) token = tokens[position];
            add_embedding(token);
            for (layer = 0; layer < N_LAYER; layer++) {
                const int base = LAYERS + layer * LAYER_STRIDE;
                layer_norm(base + LN_1_WEIGHT, base + LN_1_BIAS);
                linear<QUERY_KEY_VALUE, N_EMBD4, 3 * HEADS4>(NARROW, base + ATTN_C_ATTN_WEIGHT, base + ATTN_C_ATTN_BIAS);
                attention();
                linear<RESIDUAL, HEADS4, N_EMBD4>(NARROW, base + ATTN_C_PROJ_WEIGHT, base + ATTN_C_PROJ_BIAS);
                layer_norm(base + LN_2_WEIGHT, base + LN_2_BIAS);
                linear<GELU, N_EMBD4, N_INNER4>(NARROW, base + MLP_C_FC_WEIGHT, base + MLP_C_FC_BIAS);
                linear<RESIDUAL, N_INNER4, N_EMBD4>(WIDE, base + MLP_C_PROJ_WEIGHT, base + MLP_C_PROJ_BIAS);
            }
            if (position + 1 >= prompt_tokens) {
                layer_norm(LN_F_WEIGHT, LN_F_BIAS);
                best_score = LOWEST;
                best_token = 0;
                linear<LOGITS, N_EMBD4, VOCAB4>(NARROW, WTE, 0);
                token = choose();
            }
        }
    }
};

}  // namespace

__global__ void __launch_bounds__(BLOCK, 1) decode(Arguments a) {
    Shared& shared = *reinterpret_cast<Shared*>(dynamic_shared());
    Decoder{shared, a.weights, a.cache, a.scores, a.logits, a.tokens, thread_index()}.decode(a.prompt_tokens, a.steps);
}

HOST(decode, sizeof(Shared), 1, 0, decode)
