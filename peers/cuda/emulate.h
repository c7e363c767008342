// As much of CUDA as these kernels need, on a CPU: a thread for each of the blocks', a barrier for __syncthreads(), and
// shuffles through an array. Copies said to be asynchronous are done at once.

#pragma once

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#define DEVICE inline
#define __global__
#define __host__
#define __device__
#define __launch_bounds__(...)
#define __restrict__

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace emulation {
struct Block {
    int index;
    std::vector<float4> shared;
    std::barrier<> barrier;
    std::vector<std::unique_ptr<std::barrier<>>> warps;
    std::vector<float> shuffled;

    Block(int index, size_t bytes) : index(index), shared(bytes / sizeof(float4) + 1), barrier(BLOCK), shuffled(BLOCK) {
        for (int first = 0; first < BLOCK; first += 32) {
            warps.push_back(std::make_unique<std::barrier<>>(std::min(32, BLOCK - first)));
        }
    }
};
inline thread_local int thread;
inline thread_local Block* block;
}  // namespace emulation

inline void* dynamic_shared() { return emulation::block->shared.data(); }
inline int thread_index() { return emulation::thread; }
inline int block_index() { return emulation::block->index; }
inline void __syncthreads() { emulation::block->barrier.arrive_and_wait(); }
inline float __shfl_xor_sync(unsigned, float value, int distance) {
    emulation::Block& block = *emulation::block;
    auto& warp = *block.warps[emulation::thread / 32];
    block.shuffled[emulation::thread] = value;
    warp.arrive_and_wait();
    const float other = block.shuffled[emulation::thread ^ distance];
    warp.arrive_and_wait();
    return other;
}
inline unsigned __float_as_uint(float x) {
    unsigned bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}
inline float __uint_as_float(unsigned bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}
inline unsigned __shfl_xor_sync(unsigned mask, unsigned value, int distance) {
    return __float_as_uint(__shfl_xor_sync(mask, __uint_as_float(value), distance));
}

// Who asks for what another thread has yet to write lets that thread run.
template <typename T>
inline T load_word(const T* place) {
    std::this_thread::yield();
    return std::atomic_ref<T>(*const_cast<T*>(place)).load(std::memory_order_relaxed);
}
inline uint4 load_relaxed(const unsigned* place) {
    return {load_word(place), load_word(place + 1), load_word(place + 2), load_word(place + 3)};
}
inline uint64_t load_relaxed(const uint64_t* place) { return load_word(place); }
template <typename T>
inline void store_relaxed(T* place, T x) {
    std::atomic_ref<T>(*place).store(x, std::memory_order_relaxed);
}
inline void copy_async(float4* shared, const float4* memory) { *shared = *memory; }
inline void __nanosleep(unsigned) { std::this_thread::yield(); }
inline void commit_copies() {}
template <int>
inline void wait_for_copies() {}

template <typename T>
inline T __ldg(const T* pointer) {
    return *pointer;
}
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float x, float y) { return x / y; }
using std::max;
using std::min;

enum cudaError_t { cudaSuccess, cudaErrorMemoryAllocation };
enum { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaFuncAttributeMaxDynamicSharedMemorySize };
inline const char* cudaGetErrorString(cudaError_t) { return "out of memory"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
inline cudaError_t cudaMalloc(void** pointer, size_t bytes) {
    *pointer = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    return *pointer ? cudaSuccess : cudaErrorMemoryAllocation;
}
inline void cudaFree(void* pointer) { std::free(pointer); }
inline cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, int) {
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaMemset(void* to, int byte, size_t bytes) {
    std::memset(to, byte, bytes);
    return cudaSuccess;
}
template <typename Kernel>
inline cudaError_t cudaFuncSetAttribute(Kernel, int, size_t) {
    return cudaSuccess;
}

template <typename Kernel, typename Arguments>
cudaError_t launch(Kernel kernel, size_t bytes, Arguments arguments) {
    std::vector<std::unique_ptr<emulation::Block>> blocks;
    std::vector<std::thread> threads;
    for (int index = 0; index < GRID; index++) {
        blocks.push_back(std::make_unique<emulation::Block>(index, bytes));
        for (int thread = 0; thread < BLOCK; thread++) {
            threads.emplace_back([=, block = blocks.back().get()] {
                emulation::thread = thread;
                emulation::block = block;
                kernel(arguments);
            });
        }
    }
    for (auto& thread : threads) thread.join();
    return cudaSuccess;
}
#define LAUNCH launch
