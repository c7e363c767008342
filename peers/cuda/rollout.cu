// Whole episodes in one kernel: state and genome in registers from the first step to the last.
//
// LANES threads follow one individual together. Each has HIDDEN / LANES of the hidden units, and adds its part of the outputs
// to the others' by shuffles, after which all of them have the same sums to the last bit; the physics is done by each. With a
// small population this is what keeps the GPU's processors busy; run.py's calibration says how many lanes are best.
//
// case.h has the sizes: ACROBOT, CARTPOLE or PORTFOLIO, SEEN, HIDDEN, OUTPUTS, COMPONENTS, LANES. With EMULATE it is
// C++ for a CPU with one lane, to see that it is right.

#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>

#include "case.h"

#ifdef EMULATE
#include <algorithm>
#include <cstdlib>
#include <cstring>
#define DEVICE inline
#define __restrict__
struct float4 {
    float x, y, z, w;
};
using cudaError_t = int;
constexpr int cudaSuccess = 0;
enum { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
inline cudaError_t cudaMalloc(void** place, size_t bytes) { return (*place = malloc(bytes)) ? 0 : 1; }
inline cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, int) { return memcpy(to, from, bytes), 0; }
inline cudaError_t cudaMemset(void* to, int value, size_t bytes) { return memset(to, value, bytes), 0; }
inline cudaError_t cudaDeviceSynchronize() { return 0; }
inline cudaError_t cudaFree(void* place) { return free(place), 0; }
inline const char* cudaGetErrorString(cudaError_t) { return "not enough memory"; }
static_assert(LANES == 1, "a CPU has no lanes");
#else
#include "describe.cuh"
#define DEVICE __device__ __forceinline__
#endif

constexpr int UNITS = HIDDEN / LANES;
static_assert(HIDDEN % LANES == 0);

// tanh(x) = 1 - 2 / (exp(2 x) + 1), to a few units in the last place of 1.
DEVICE float tanh_of(float x) { return 1 - 2 / (exp2f(fminf(x * 2.885390f, 64.0f)) + 1); }

// This lane's part of a genome: W1[hidden][seen], b1, W2[output][hidden], b2, of its hidden units; b2 in the first lane alone.
struct Genome {
    float w1[UNITS][SEEN], b1[UNITS], w2[OUTPUTS][UNITS], b2[OUTPUTS];
};

// Genomes are [parameter][individual]. Units are dealt out in turn.
DEVICE void load(Genome& genome, const float* __restrict__ genomes, int individual, int population, int lane) {
    const auto gene = [&](int parameter) { return genomes[size_t(parameter) * population + individual]; };
    constexpr int B1 = HIDDEN * SEEN, W2 = B1 + HIDDEN, B2 = W2 + OUTPUTS * HIDDEN;
#pragma unroll
    for (int unit = 0; unit < UNITS; unit++) {
        const int hidden = unit * LANES + lane;
#pragma unroll
        for (int seen = 0; seen < SEEN; seen++) genome.w1[unit][seen] = gene(hidden * SEEN + seen);
        genome.b1[unit] = gene(B1 + hidden);
#pragma unroll
        for (int output = 0; output < OUTPUTS; output++) genome.w2[output][unit] = gene(W2 + output * HIDDEN + hidden);
    }
#pragma unroll
    for (int output = 0; output < OUTPUTS; output++) genome.b2[output] = lane == 0 ? gene(B2 + output) : 0.0f;
}

DEVICE void network(const Genome& genome, const float (&seen)[SEEN], float (&outputs)[OUTPUTS]) {
#pragma unroll
    for (int output = 0; output < OUTPUTS; output++) outputs[output] = genome.b2[output];
#pragma unroll
    for (int unit = 0; unit < UNITS; unit++) {
        float sum = genome.b1[unit];
#pragma unroll
        for (int at = 0; at < SEEN; at++) sum = fmaf(genome.w1[unit][at], seen[at], sum);
        const float hidden = tanh_of(sum);
#pragma unroll
        for (int output = 0; output < OUTPUTS; output++) outputs[output] = fmaf(genome.w2[output][unit], hidden, outputs[output]);
    }
#ifndef EMULATE
    // Only lanes of one individual exchange, and all of them are there: a group ends its episode together.
    const unsigned group = LANES == 32 ? ~0u : ((1u << LANES) - 1) << (threadIdx.x % 32 / LANES * LANES);
#pragma unroll
    for (int distance = LANES / 2; distance > 0; distance /= 2) {
#pragma unroll
        for (int output = 0; output < OUTPUTS; output++) outputs[output] += __shfl_xor_sync(group, outputs[output], distance);
    }
#endif
}

struct Transition {
    float reward;
    bool terminated;
};

#ifdef ACROBOT
constexpr float TAU = 0.2f, TURN = 6.2831855f;

struct State {
    float x[4];     // two angles, two angular velocities
    float facing[4];  // cosine and sine of each angle
};

DEVICE void face(State& state) {
    sincosf(state.x[0], &state.facing[1], &state.facing[0]);
    sincosf(state.x[1], &state.facing[3], &state.facing[2]);
}

DEVICE void see(const State& state, const float4*, float (&seen)[SEEN]) {
    for (int at = 0; at < 4; at++) seen[at] = state.facing[at];
    seen[4] = state.x[2], seen[5] = state.x[3];
}

// Sines are those of the first angle and of the sum of both.
DEVICE void derivative(float sine1, float sine12, float sine2, float cosine2, const float (&x)[4], float torque, float (&d)[4]) {
    const float d1 = 3.5f + cosine2, d2 = 1.25f + 0.5f * cosine2;
    const float phi2 = 4.9f * sine12;
    const float phi1 = 14.7f * sine1 + phi2 - sine2 * x[3] * (0.5f * x[3] + x[2]);
    const float pull = torque - 0.5f * x[2] * x[2] * sine2 - phi2;
    const float second = (d1 * pull + d2 * phi1) / (1.25f * d1 - d2 * d2);
    d[0] = x[2], d[1] = x[3], d[2] = -(d2 * second + phi1) / d1, d[3] = second;
}

DEVICE void derivative(const float (&x)[4], float torque, float (&d)[4]) {
    float sine2, cosine2;
    sincosf(x[1], &sine2, &cosine2);
    derivative(sinf(x[0]), sinf(x[0] + x[1]), sine2, cosine2, x, torque, d);
}

DEVICE void ahead(const float (&x)[4], float seconds, const float (&slope)[4], float (&y)[4]) {
#pragma unroll
    for (int at = 0; at < 4; at++) y[at] = fmaf(seconds, slope[at], x[at]);
}

// One step of the classical Runge-Kutta method.
DEVICE Transition advance(State& state, const float (&outputs)[OUTPUTS], const float4*) {
    const float second = outputs[1] > outputs[0] ? 1.0f : 0.0f;
    const float torque = (outputs[2] > fmaxf(outputs[0], outputs[1]) ? 2.0f : second) - 1.0f;
    const auto& f = state.facing;
    float k1[4], k2[4], k3[4], k4[4], y[4];
    derivative(f[1], f[1] * f[2] + f[0] * f[3], f[3], f[2], state.x, torque, k1);
    ahead(state.x, TAU / 2, k1, y), derivative(y, torque, k2);
    ahead(state.x, TAU / 2, k2, y), derivative(y, torque, k3);
    ahead(state.x, TAU, k3, y), derivative(y, torque, k4);
#pragma unroll
    for (int at = 0; at < 4; at++) k1[at] = k1[at] + 2 * (k2[at] + k3[at]) + k4[at];
    ahead(state.x, TAU / 6, k1, y);
    state.x[0] = y[0] - TURN * rintf(y[0] / TURN);
    state.x[1] = y[1] - TURN * rintf(y[1] / TURN);
    state.x[2] = fminf(fmaxf(y[2], -12.566371f), 12.566371f);
    state.x[3] = fminf(fmaxf(y[3], -28.274334f), 28.274334f);
    face(state);
    const bool terminated = -f[0] - (f[0] * f[2] - f[1] * f[3]) > 1.0f;
    return {terminated ? 0.0f : -1.0f, terminated};
}
#endif

#ifdef CARTPOLE
constexpr float TAU = 0.02f, TOTAL = 1.1f, POLE = 0.1f, POLE_LENGTH = 0.05f;

struct State {
    float x[4];  // position, velocity, angle, angular velocity
};

DEVICE void face(State&) {}

DEVICE void see(const State& state, const float4*, float (&seen)[SEEN]) {
    for (int at = 0; at < 4; at++) seen[at] = state.x[at];
}

// One step of Euler's method.
DEVICE Transition advance(State& state, const float (&outputs)[OUTPUTS], const float4*) {
    auto& x = state.x;
    const float force = outputs[1] > outputs[0] ? 10.0f : -10.0f;
    float sine, cosine;
    sincosf(x[2], &sine, &cosine);
    const float push = (force + POLE_LENGTH * x[3] * x[3] * sine) / TOTAL;
    const float turn = (9.8f * sine - cosine * push) / (0.5f * (4.0f / 3.0f - POLE * cosine * cosine / TOTAL));
    const float slide = push - POLE_LENGTH * turn * cosine / TOTAL;
    x[0] = fmaf(TAU, x[1], x[0]), x[1] = fmaf(TAU, slide, x[1]);
    x[2] = fmaf(TAU, x[3], x[2]), x[3] = fmaf(TAU, turn, x[3]);
    return {1.0f, fabsf(x[0]) > 2.4f || fabsf(x[2]) > 0.20943951f};
}
#endif

#ifdef PORTFOLIO
struct State {
    float x[8];  // value, peak, two memories, three positions, the day
};

DEVICE void face(State&) {}

DEVICE void see(const State& state, const float4* market, float (&seen)[SEEN]) {
    const auto& x = state.x;
    const float4 day = market[int(rintf(x[7]))];
    seen[0] = 50 * day.x, seen[1] = 50 * day.y, seen[2] = 50 * day.z, seen[3] = 200 * day.w;
    seen[4] = 5 * (x[0] / x[1] - 1), seen[5] = (x[4] + x[5] + x[6]) / 3, seen[6] = x[2], seen[7] = x[3];
}

DEVICE float sigmoid(float x) { return 1 / (1 + exp2f(fminf(-1.442695f * x, 64.0f))); }

// A day's trades, and the returns of the next.
DEVICE Transition advance(State& state, const float (&outputs)[OUTPUTS], const float4* market) {
    auto& x = state.x;
    const float4 next = market[int(rintf(x[7])) + 1];
    const float returns[3] = {next.x, next.y, next.z};
    float shares[OUTPUTS];
#pragma unroll
    for (int output = 0; output < OUTPUTS; output++) shares[output] = sigmoid(outputs[output]);
    const float leverage = (1 + 2 * shares[3]) / (shares[0] + shares[1] + shares[2]);
    float gained = 0, costs = 0, invested = 0;
#pragma unroll
    for (int asset = 0; asset < 3; asset++) {
        const float held = x[4 + asset], target = fminf(leverage * shares[asset], 1.0f);
        const float position = fabsf(target - held) < 0.05f ? held : target, traded = position - held;
        costs += 4e-4f * fmaxf(traded, 0.0f) + 2e-4f * fmaxf(-traded, 0.0f);
        gained = fmaf(position, returns[asset], gained), invested += position;
        x[4 + asset] = position * (1 + returns[asset]);
    }
    const float growth = fmaxf(1 + (gained - costs - 1e-5f * fmaxf(invested - 1, 0.0f)), 0.01f);
    x[0] *= growth, x[1] = fmaxf(x[1], x[0]);
    x[2] = 2 * shares[4] - 1, x[3] = 2 * shares[5] - 1;
#pragma unroll
    for (int asset = 0; asset < 3; asset++) x[4 + asset] /= growth;
    x[7] += 1;
    return {logf(growth), x[0] < 0.05f};
}
#endif

struct Arguments {
    const float* genomes;   // [parameter][individual]
    const float* initial;   // [component][individual]
    const float4* market;   // [day]: three returns and the trend
    float* states;          // [component][individual]
    float* returns;         // [individual], and so the next two
    unsigned* lengths;
    unsigned* terminated;
    int population;
    int steps;
    int block;  // threads of a block, up to 256
};

DEVICE void episode(const Arguments& a, int individual, int lane) {
    Genome genome;
    load(genome, a.genomes, individual, a.population, lane);
    State state;
#pragma unroll
    for (int at = 0; at < COMPONENTS; at++) state.x[at] = a.initial[size_t(at) * a.population + individual];
    face(state);
    float episode_return = 0;
    int length = 0;
    bool terminated = false;
    while (length < a.steps && !terminated) {
        float seen[SEEN], outputs[OUTPUTS];
        see(state, a.market, seen);
        network(genome, seen, outputs);
        const Transition next = advance(state, outputs, a.market);
        episode_return += next.reward, length++, terminated = next.terminated;
    }
    if (lane > 0) return;
    for (int at = 0; at < COMPONENTS; at++) a.states[size_t(at) * a.population + individual] = state.x[at];
    a.returns[individual] = episode_return, a.lengths[individual] = length, a.terminated[individual] = terminated;
}

#ifdef EMULATE
static cudaError_t launch(const Arguments& arguments) {
    for (int individual = 0; individual < arguments.population; individual++) episode(arguments, individual, 0);
    return cudaSuccess;
}
#else
__global__ void __launch_bounds__(256) episodes(Arguments arguments) {
    const int thread = blockIdx.x * blockDim.x + threadIdx.x;
    const int individual = thread / LANES;
    if (individual < arguments.population) episode(arguments, individual, thread % LANES);
}

static cudaError_t launch(const Arguments& arguments) {
    const int64_t threads = int64_t(arguments.population) * LANES;
    episodes<<<int((threads + arguments.block - 1) / arguments.block), arguments.block>>>(arguments);
    return cudaGetLastError();
}
#endif

// What rollout.py calls through ctypes: several populations may be there at once, each behind a pointer. A function that
// fails gives null or a negative number; error() then says why.
static std::string why;

static bool failed(cudaError_t status) {
    if (status != cudaSuccess) why = cudaGetErrorString(status);
    return status != cudaSuccess;
}

template <typename T>
static bool allocate(T*& place, size_t count, const void* contents = nullptr) {
    void* there = nullptr;
    if (failed(cudaMalloc(&there, count * sizeof(T)))) return false;
    place = static_cast<T*>(there);
    return !contents || !failed(cudaMemcpy(there, contents, count * sizeof(T), cudaMemcpyHostToDevice));
}

extern "C" const char* error() { return why.c_str(); }

extern "C" Arguments* prepare(const float* genomes, const float* initial, const float* market, int days, int population,
                              int steps, int block) {
    constexpr size_t PARAMETERS = HIDDEN * (SEEN + 1) + OUTPUTS * (HIDDEN + 1);
    const size_t n = population;
    float *on_genomes = nullptr, *on_initial = nullptr;
    float4* on_market = nullptr;
    auto* a = new Arguments{};
    if (!allocate(on_genomes, n * PARAMETERS, genomes) || !allocate(on_initial, n * COMPONENTS, initial) ||
        !allocate(on_market, days, market) || !allocate(a->states, n * COMPONENTS) || !allocate(a->returns, n) ||
        !allocate(a->lengths, n) || !allocate(a->terminated, n))
        return nullptr;
    a->genomes = on_genomes, a->initial = on_initial, a->market = on_market, a->population = population, a->steps = steps;
    a->block = block;
    return a;
}

// Wall time in nanoseconds: the launch and the wait for its end.
extern "C" int64_t run(Arguments* a) {
    // An old run's output is not taken for this one's.
    if (failed(cudaMemset(a->returns, 0xff, a->population * sizeof(float))) || failed(cudaDeviceSynchronize())) return -1;
    const auto begin = std::chrono::steady_clock::now();
    const cudaError_t launched = launch(*a);
    const cudaError_t finished = cudaDeviceSynchronize();
    const auto end = std::chrono::steady_clock::now();
    if (failed(launched) || failed(finished)) return -1;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count();
}

extern "C" int output(const Arguments* a, float* states, float* returns, unsigned* lengths, unsigned* terminated) {
    const size_t n = a->population;
    return failed(cudaMemcpy(states, a->states, n * COMPONENTS * sizeof(float), cudaMemcpyDeviceToHost)) ||
                   failed(cudaMemcpy(returns, a->returns, n * sizeof(float), cudaMemcpyDeviceToHost)) ||
                   failed(cudaMemcpy(lengths, a->lengths, n * sizeof(unsigned), cudaMemcpyDeviceToHost)) ||
                   failed(cudaMemcpy(terminated, a->terminated, n * sizeof(unsigned), cudaMemcpyDeviceToHost))
               ? -1
               : 0;
}

extern "C" void release(Arguments* a) {
    for (const void* place : {static_cast<const void*>(a->genomes), static_cast<const void*>(a->initial),
                              static_cast<const void*>(a->market), static_cast<const void*>(a->states),
                              static_cast<const void*>(a->returns), static_cast<const void*>(a->lengths),
                              static_cast<const void*>(a->terminated)})
        cudaFree(const_cast<void*>(place));
    delete a;
}
