// The host's half of a kernel: memory, the launch, the clock. run.py calls it through ctypes.
//
// With EMULATE it is C++ for a CPU, a thread for each of the blocks': slow, and for seeing that a kernel is right.

#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "case.h"

#ifdef EMULATE
#include "emulate.h"
#else
#include "describe.cuh"
#define DEVICE __device__ __forceinline__

DEVICE void* dynamic_shared() {
    extern __shared__ float4 bytes[];
    return bytes;
}
DEVICE int thread_index() { return threadIdx.x; }
DEVICE int block_index() { return blockIdx.x; }

// Accesses that other blocks see and whose values other blocks change: coherent word by word, in no order.
DEVICE uint4 load_relaxed(const unsigned* place) {
    uint4 x;
    asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "l"(place) : "memory");
    return x;
}
DEVICE uint64_t load_relaxed(const uint64_t* place) {
    uint64_t x;
    asm volatile("ld.relaxed.gpu.global.u64 %0, [%1];" : "=l"(x) : "l"(place) : "memory");
    return x;
}
DEVICE void store_relaxed(unsigned* place, unsigned x) {
    asm volatile("st.relaxed.gpu.global.u32 [%0], %1;" ::"l"(place), "r"(x) : "memory");
}
DEVICE void store_relaxed(uint64_t* place, uint64_t x) {
    asm volatile("st.relaxed.gpu.global.u64 [%0], %1;" ::"l"(place), "l"(x) : "memory");
}

// 16 bytes from memory to shared memory, past the registers; done when as few batches are left as waited for.
DEVICE void copy_async(float4* shared, const float4* memory) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(unsigned(__cvta_generic_to_shared(shared))),
                 "l"(memory) : "memory");
}
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int LEFT>
DEVICE void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}
#endif

DEVICE float square(float x) { return x * x; }
DEVICE float4 operator+(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }
DEVICE float4 operator*(float4 a, float4 b) { return make_float4(a.x * b.x, a.y * b.y, a.z * b.z, a.w * b.w); }
DEVICE float4 operator*(float4 a, float b) { return make_float4(a.x * b, a.y * b, a.z * b, a.w * b); }
DEVICE float dot(float4 a, float4 b) { return fmaf(a.x, b.x, fmaf(a.y, b.y, fmaf(a.z, b.z, a.w * b.w))); }
// x y + z
DEVICE float4 fused(float x, float4 y, float4 z) {
    return make_float4(fmaf(x, y.x, z.x), fmaf(x, y.y, z.y), fmaf(x, y.z, z.z), fmaf(x, y.w, z.w));
}

// gelu_new: 0.5 x (1 + tanh(u)) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3).
DEVICE float gelu(float x) {
    const float u = 0.7978845608f * (x + 0.044715f * x * x * x);
    return __fdividef(x, 1 + __expf(fminf(-2 * u, 80.0f)));
}

// What a kernel is given; those that one has no use for are null.
struct Arguments {
    const float4* weights;
    float4* cache;
    float* scores;
    float4* logits;
    unsigned* tokens;
    unsigned* exchange;  // words through which blocks hand values on, 0 at first
    float4* packed;      // weights in the order of their use
    int prompt_tokens;
    int steps;  // tokens fed to the model
};

struct Generation {
    float4* weights = nullptr;
    Arguments arguments = {};
    size_t words = 0;  // of `exchange`
    std::vector<unsigned> prompt;
    int new_tokens = 0;
    std::string error;

    bool failed(cudaError_t status) {
        if (status != cudaSuccess) error = cudaGetErrorString(status);
        return status != cudaSuccess;
    }

    template <typename T>
    bool allocate(T*& pointer, size_t count) {
        return !failed(cudaMalloc(reinterpret_cast<void**>(&pointer), count * sizeof(T)));
    }

    bool allocate_all(uint64_t bytes, size_t packed4) {
        Arguments& a = arguments;
        a.prompt_tokens = static_cast<int>(prompt.size());
        const size_t cache4 = size_t(N_LAYER) * 2 * POSITIONS * HEADS4;
        if (!allocate(weights, bytes / sizeof(float4)) || !allocate(a.cache, cache4) ||
            !allocate(a.scores, size_t(N_HEAD) * POSITIONS) || !allocate(a.logits, VOCAB4) ||
            !allocate(a.tokens, prompt.size() + new_tokens) || !allocate(a.exchange, words) ||
            (packed4 > 0 && !allocate(a.packed, packed4)))
            return false;
        a.weights = weights;
        return true;
    }

    // The whole generation's tokens are marked as not made, so that an old run's are not taken for this one's.
    bool reset() {
        std::vector<unsigned> tokens = prompt;
        tokens.resize(prompt.size() + new_tokens, ~0u);
        const size_t bytes = tokens.size() * sizeof(unsigned);
        return !failed(cudaMemcpy(arguments.tokens, tokens.data(), bytes, cudaMemcpyHostToDevice)) &&
               !failed(cudaMemset(arguments.logits, 0xff, VOCAB4 * sizeof(float4))) &&
               !failed(cudaMemset(arguments.exchange, 0, words * sizeof(unsigned)));
    }
};

// The functions that run.py calls, for a kernel, its bytes of shared memory, its words of `exchange` (the last of which
// says that a block waited in vain), and the float4 of `packed`, which PACK fills. Each returns a negative number where it
// fails; error() then says why.
#define HOST(KERNEL, SHARED_BYTES, WORDS, PACKED4, PACK)                                                                \
    static Generation g;                                                                                                \
    extern "C" const char* error() { return g.error.c_str(); }                                                          \
    extern "C" int prepare(const float* weights, uint64_t bytes, const unsigned* prompt, int prompt_tokens,             \
                           int new_tokens) {                                                                            \
        g.prompt.assign(prompt, prompt + prompt_tokens);                                                                \
        g.new_tokens = new_tokens;                                                                                      \
        g.words = WORDS;                                                                                                \
        if (g.failed(cudaFuncSetAttribute(KERNEL, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED_BYTES)) ||        \
            !g.allocate_all(bytes, PACKED4) ||                                                                          \
            g.failed(cudaMemcpy(g.weights, weights, bytes, cudaMemcpyHostToDevice)))                                    \
            return -1;                                                                                                  \
        if (PACKED4 > 0 && (g.failed(LAUNCH(PACK, 0, g.arguments)) || g.failed(cudaDeviceSynchronize()))) return -1;    \
        return 0;                                                                                                       \
    }                                                                                                                   \
    /* Wall time in nanoseconds of making the first `new_tokens` tokens: the launch and the wait for its end. */        \
    extern "C" int64_t run(int new_tokens) {                                                                            \
        if (!g.reset() || g.failed(cudaDeviceSynchronize())) return -1;                                                 \
        g.arguments.steps = g.arguments.prompt_tokens + new_tokens - 1;                                                 \
        const auto begin = std::chrono::steady_clock::now();                                                            \
        const cudaError_t launched = LAUNCH(KERNEL, SHARED_BYTES, g.arguments);                                         \
        const cudaError_t finished = cudaDeviceSynchronize();                                                           \
        const auto end = std::chrono::steady_clock::now();                                                              \
        if (g.failed(launched) || g.failed(finished)) return -1;                                                        \
        unsigned gave_up = 0;                                                                                           \
        const unsigned* place = g.arguments.exchange + g.words - 1;                                                     \
        if (g.failed(cudaMemcpy(&gave_up, place, sizeof(unsigned), cudaMemcpyDeviceToHost))) return -1;                 \
        if (gave_up) g.error = "a block waited in vain for another one";                                                \
        return gave_up ? -1 : std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count();                \
    }                                                                                                                   \
    extern "C" int output(unsigned* tokens, float* logits) {                                                            \
        const unsigned* made = g.arguments.tokens + g.prompt.size();                                                    \
        if (g.failed(cudaMemcpy(tokens, made, g.new_tokens * sizeof(unsigned), cudaMemcpyDeviceToHost)) ||              \
            g.failed(cudaMemcpy(logits, g.arguments.logits, VOCAB_SIZE * sizeof(float), cudaMemcpyDeviceToHost)))       \
            return -1;                                                                                                  \
        return 0;                                                                                                       \
    }                                                                                                                   \
    extern "C" void release() {                                                                                         \
        const Arguments& a = g.arguments;                                                                               \
        for (void* pointer : {static_cast<void*>(g.weights), static_cast<void*>(a.cache), static_cast<void*>(a.scores), \
                              static_cast<void*>(a.logits), static_cast<void*>(a.tokens),                               \
                              static_cast<void*>(a.exchange), static_cast<void*>(a.packed)})                            \
            cudaFree(pointer);                                                                                          \
        g = Generation();                                                                                               \
    }

#ifndef EMULATE
// Several blocks that wait for each other need to be there together: a cooperative launch refuses where they cannot.
template <typename Kernel>
cudaError_t launch(Kernel kernel, size_t bytes, Arguments arguments) {
    void* parameters[] = {&arguments};
    if (GRID > 1) {
        return cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(kernel), GRID, BLOCK, parameters, bytes, nullptr);
    }
    return cudaLaunchKernel(reinterpret_cast<const void*>(kernel), GRID, BLOCK, parameters, bytes, nullptr);
}
#define LAUNCH launch
#endif
