// Greedy decoding by llama.cpp, as its own programs do it: a loop over llama_decode, with the choice on the host.
//
//     decode MODEL.gguf DEVICE CACHE FLASH NEW_TOKENS PROMPT_TOKEN...
//
// DEVICE is `cpu` or `gpu`; CACHE, of keys and values, `f32` or `f16`; FLASH `on` or `off`. It says `ready`, then answers each line of
// its input with one line:
//
//     run       nanoseconds of a whole generation, from an empty cache to the last choice
//     tokens    the new tokens of the last run
//     logits    those that chose the last token, as the bits of an f32 each: no digit is lost
//     about     llama.cpp's version, and the device's name
//
// A process for each variant: ggml ends the process where it fails, which then ends no other variant.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "llama.h"

using Clock = std::chrono::steady_clock;

// What llama.cpp says where it leaves flash attention out, which it does without an error.
const char *const NO_FLASH = "Flash Attention not supported";
bool has_flash = true;

void log_line(ggml_log_level level, const char *text, void *) {
    if (std::strstr(text, NO_FLASH)) has_flash = false;
    if (level == GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
}

template <typename T> T *made(T *it, const char *what) {
    if (!it) throw std::runtime_error(std::string("llama.cpp makes no ") + what);
    return it;
}

ggml_backend_dev_t device_of(bool is_gpu) {
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        bool is_cpu = ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
        if (is_cpu != is_gpu) return device;
    }
    throw std::runtime_error(is_gpu ? "llama.cpp finds no GPU" : "llama.cpp finds no CPU");
}

// The lowest of the tokens with the largest logit. Sixteen maxima side by side are what a compiler makes vectors of.
llama_token largest(const float *logits, int count) {
    constexpr int LANES = 16;
    float lanes[LANES];
    std::fill_n(lanes, LANES, logits[0]);
    int whole = count / LANES * LANES;
    for (int i = 0; i < whole; i += LANES)
        for (int lane = 0; lane < LANES; lane++) lanes[lane] = logits[i + lane] > lanes[lane] ? logits[i + lane] : lanes[lane];
    float most = *std::max_element(lanes, lanes + LANES);
    for (int i = whole; i < count; i++) most = std::max(most, logits[i]);
    return static_cast<llama_token>(std::find(logits, logits + count, most) - logits);
}

struct Decoder {
    llama_model *model;
    llama_context *context;
    std::vector<llama_token> prompt, made_tokens;
    size_t new_tokens;
    std::vector<float> last_logits;
    int vocab;

    Decoder(const char *path, bool on_gpu, ggml_type cache, bool flash, size_t new_tokens, std::vector<llama_token> prompt)
        : prompt(std::move(prompt)), new_tokens(new_tokens) {
        llama_model_params of_model = llama_model_default_params();
        ggml_backend_dev_t devices[] = {on_gpu ? device_of(true) : nullptr, nullptr};
        of_model.devices = devices;
        of_model.n_gpu_layers = on_gpu ? -1 : 0;
        model = made(llama_model_load_from_file(path, of_model), "model of the file");
        vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));

        llama_context_params of_context = llama_context_default_params();
        of_context.n_ctx = static_cast<uint32_t>(this->prompt.size() + new_tokens);
        of_context.n_batch = of_context.n_ubatch = std::max<uint32_t>(32, static_cast<uint32_t>(this->prompt.size()));
        // Beside a GPU the host has a row of the embedding to fetch; more threads would only wait for each other.
        of_context.n_threads = of_context.n_threads_batch = 1;
        of_context.type_k = of_context.type_v = cache;
        of_context.flash_attn_type = flash ? LLAMA_FLASH_ATTN_TYPE_AUTO : LLAMA_FLASH_ATTN_TYPE_DISABLED;
        of_context.no_perf = true;
        context = made(llama_init_from_model(model, of_context), "context");
        if (flash && !has_flash) throw std::runtime_error("llama.cpp has no flash attention for these heads on this device");
    }

    int64_t run() {
        made_tokens.clear();
        auto begin = Clock::now();
        llama_memory_clear(llama_get_memory(context), false);
        std::vector<llama_token> next = prompt;
        while (true) {
            if (llama_decode(context, llama_batch_get_one(next.data(), static_cast<int32_t>(next.size()))))
                throw std::runtime_error("llama_decode fails");
            // This waits for the device.
            const float *logits = llama_get_logits_ith(context, -1);
            next.assign(1, largest(logits, vocab));
            made_tokens.push_back(next[0]);
            if (made_tokens.size() == new_tokens) {
                auto end = Clock::now();
                last_logits.assign(logits, logits + vocab);
                return std::chrono::duration_cast<std::chrono::nanoseconds>(end - begin).count();
            }
        }
    }
};

int main(int count, char **arguments) try {
    if (count < 7) throw std::runtime_error("usage: decode MODEL.gguf DEVICE CACHE FLASH NEW_TOKENS PROMPT_TOKEN...");
    auto given = [&](int at, const char *word) { return std::strcmp(arguments[at], word) == 0; };
    std::vector<llama_token> prompt;
    for (int i = 6; i < count; i++) prompt.push_back(std::atoi(arguments[i]));
    llama_log_set(log_line, nullptr);
    // Those of a prebuilt llama.cpp lie beside this program; others are built in.
    ggml_backend_load_all();
    bool on_gpu = given(2, "gpu");
    ggml_type cache = given(3, "f16") ? GGML_TYPE_F16 : GGML_TYPE_F32;
    Decoder decoder(arguments[1], on_gpu, cache, given(4, "on"), std::strtoul(arguments[5], nullptr, 10), prompt);

    std::cout << "ready" << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
        if (line == "run") std::cout << decoder.run();
        if (line == "tokens")
            for (llama_token token : decoder.made_tokens) std::cout << token << ' ';
        if (line == "logits")
            for (float logit : decoder.last_logits) std::cout << std::bit_cast<uint32_t>(logit) << ' ';
        if (line == "about") std::cout << llama_version() << ' ' << ggml_backend_dev_description(device_of(on_gpu));
        std::cout << std::endl;
    }
} catch (const std::exception &error) {
    std::cerr << error.what() << std::endl;
    return 1;
}
