// The host's half of a kernel of one block: memory, the launch, the clock. run.py calls it through ctypes.
//
// With EMULATE it is C++ for a CPU, one thread for each of the block's: slow, and for seeing that a kernel is right.

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
#include <cuda_runtime.h>
#define DEVICE __device__ __forceinline__

DEVICE void* dynamic_shared() {
    extern __shared__ float4 bytes[];
    return bytes;
}
DEVICE int thread_index() { return threadIdx.x; }
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

struct Generation {
    float4* weights = nullptr;
    float4* cache = nullptr;
    float* scores = nullptr;
    float4* logits = nullptr;
    unsigned* tokens = nullptr;
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

    // The whole generation's tokens are marked as not made, so that an old run's are not taken for this one's.
    bool reset() {
        std::vector<unsigned> tokens_now = prompt;
        tokens_now.resize(prompt.size() + new_tokens, ~0u);
        const size_t bytes = tokens_now.size() * sizeof(unsigned);
        return !failed(cudaMemcpy(tokens, tokens_now.data(), bytes, cudaMemcpyHostToDevice)) &&
               !failed(cudaMemset(logits, 0xff, VOCAB4 * sizeof(float4)));
    }
};

// The functions that run.py calls, for a kernel and its bytes of shared memory. Each returns a negative number where it
// fails; error() then says why.
#define ONE_BLOCK(KERNEL, SHARED_BYTES)                                                                                 \
    static Generation g;                                                                                                \
    extern "C" const char* error() { return g.error.c_str(); }                                                          \
    extern "C" int prepare(const float* weights, uint64_t bytes, const unsigned* prompt, int prompt_tokens,             \
                           int new_tokens) {                                                                            \
        g.prompt.assign(prompt, prompt + prompt_tokens);                                                                \
        g.new_tokens = new_tokens;                                                                                      \
        if (g.failed(cudaFuncSetAttribute(KERNEL, cudaFuncAttributeMaxDynamicSharedMemorySize, SHARED_BYTES)) ||        \
            !g.allocate(g.weights, bytes / sizeof(float4)) ||                                                           \
            !g.allocate(g.cache, size_t(N_LAYER) * 2 * POSITIONS * HEADS4) ||                                           \
            !g.allocate(g.scores, size_t(N_HEAD) * POSITIONS) || !g.allocate(g.logits, VOCAB4) ||                       \
            !g.allocate(g.tokens, prompt_tokens + new_tokens) ||                                                        \
            g.failed(cudaMemcpy(g.weights, weights, bytes, cudaMemcpyHostToDevice)))                                    \
            return -1;                                                                                                  \
        return 0;                                                                                                       \
    }                                                                                                                   \
    /* Wall time in nanoseconds of making the first `new_tokens` tokens: the launch and the wait for its end. */        \
    extern "C" int64_t run(int new_tokens) {                                                                            \
        if (!g.reset() || g.failed(cudaDeviceSynchronize())) return -1;                                                 \
        const int prompt_tokens = static_cast<int>(g.prompt.size());                                                    \
        const auto begin = std::chrono::steady_clock::now();                                                            \
        LAUNCH(KERNEL, BLOCK, SHARED_BYTES, g.weights, g.cache, g.scores, g.logits, g.tokens, prompt_tokens,            \
               prompt_tokens + new_tokens - 1);                                                                         \
        const cudaError_t launched = cudaGetLastError();                                                                \
        const cudaError_t finished = cudaDeviceSynchronize();                                                           \
        const auto end = std::chrono::steady_clock::now();                                                              \
        if (g.failed(launched) || g.failed(finished)) return -1;                                                        \
        return std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count();                               \
    }                                                                                                                   \
    extern "C" int output(unsigned* tokens, float* logits) {                                                            \
        const unsigned* made = g.tokens + g.prompt.size();                                                              \
        if (g.failed(cudaMemcpy(tokens, made, g.new_tokens * sizeof(unsigned), cudaMemcpyDeviceToHost)) ||              \
            g.failed(cudaMemcpy(logits, g.logits, VOCAB_SIZE * sizeof(float), cudaMemcpyDeviceToHost)))                 \
            return -1;                                                                                                  \
        return 0;                                                                                                       \
    }                                                                                                                   \
    extern "C" void release() {                                                                                         \
        for (void* pointer : {static_cast<void*>(g.weights), static_cast<void*>(g.cache), static_cast<void*>(g.scores), \
                              static_cast<void*>(g.logits), static_cast<void*>(g.tokens)})                              \
            cudaFree(pointer);                                                                                          \
        g = Generation();                                                                                               \
    }

#ifndef EMULATE
#define LAUNCH(KERNEL, BLOCK_SIZE, BYTES, ...) KERNEL<<<1, BLOCK_SIZE, BYTES>>>(__VA_ARGS__)

// The device's name as CUDA gives it, and the versions of its driver's API and of the runtime, such as 13000.
extern "C" int describe(char* name, int capacity, int* driver_api, int* runtime) {
    cudaDeviceProp device;
    if (cudaGetDeviceProperties(&device, 0) != cudaSuccess || cudaDriverGetVersion(driver_api) != cudaSuccess ||
        cudaRuntimeGetVersion(runtime) != cudaSuccess)
        return -1;
    strncpy(name, device.name, capacity);
    return 0;
}
#endif
