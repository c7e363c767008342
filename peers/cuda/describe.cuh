// Says which GPU and CUDA a kernel runs on; run.py and rollout.py call it through ctypes.

#pragma once

#include <cstring>

#include <cuda_runtime.h>

// The device's name as CUDA gives it, and the versions of its driver's API and of the runtime, such as 13000.
extern "C" int describe(char* name, int capacity, int* driver_api, int* runtime) {
    cudaDeviceProp device;
    if (cudaGetDeviceProperties(&device, 0) != cudaSuccess || cudaDriverGetVersion(driver_api) != cudaSuccess ||
        cudaRuntimeGetVersion(runtime) != cudaSuccess)
        return -1;
    strncpy(name, device.name, capacity);
    return 0;
}
