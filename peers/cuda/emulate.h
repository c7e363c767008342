// As much of CUDA as a kernel of one block needs, on a CPU: a thread for each of the block's, a barrier for
// __syncthreads(), and shuffles through an array.

#pragma once

#include <algorithm>
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
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace emulation {
inline thread_local int thread;
inline std::vector<float4> shared;
inline std::unique_ptr<std::barrier<>> block;
inline std::vector<std::unique_ptr<std::barrier<>>> warps;
inline std::vector<float> shuffled;
}  // namespace emulation

inline void* dynamic_shared() { return emulation::shared.data(); }
inline int thread_index() { return emulation::thread; }
inline void __syncthreads() { emulation::block->arrive_and_wait(); }
inline float __shfl_xor_sync(unsigned, float value, int distance) {
    auto& warp = *emulation::warps[emulation::thread / 32];
    emulation::shuffled[emulation::thread] = value;
    warp.arrive_and_wait();
    const float other = emulation::shuffled[emulation::thread ^ distance];
    warp.arrive_and_wait();
    return other;
}

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

template <typename Kernel, typename... Arguments>
void launch(Kernel kernel, int block, size_t bytes, Arguments... arguments) {
    emulation::shared.assign(bytes / sizeof(float4) + 1, float4{});
    emulation::block = std::make_unique<std::barrier<>>(block);
    emulation::shuffled.assign(block, 0);
    emulation::warps.clear();
    for (int first = 0; first < block; first += 32) {
        emulation::warps.push_back(std::make_unique<std::barrier<>>(std::min(32, block - first)));
    }
    std::vector<std::thread> threads;
    for (int index = 0; index < block; index++) {
        threads.emplace_back([=] {
            emulation::thread = index;
            kernel(arguments...);
        });
    }
    for (auto& thread : threads) thread.join();
}
#define LAUNCH(KERNEL, BLOCK_SIZE, BYTES, ...) launch(KERNEL, BLOCK_SIZE, BYTES, __VA_ARGS__)
