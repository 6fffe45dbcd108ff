// Bit-equality on a model: texts alone, packed in random mixes, with 1 and 2 threads; and the
// states written out, to compare ISAs, quantizations and references.
//
//   exact MODEL [--mixes N] [--max-tokens N] [--dump FILE] [--no-flash]
//
// FILE gets the token states of eight fixed texts as float32, row after row; FILE.ids their tokens.
// Exit code 1 when any bit differs.
#include <llama.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "../../native/ggml/install.h"

namespace {

using Text = std::vector<llama_token>;

bool g_flash = true;

class Encoder {
  public:
    Encoder(llama_model* model, int threads, int max_tokens) {
        llama_context_params cp = llama_context_default_params();
        cp.n_ctx = cp.n_batch = cp.n_ubatch = static_cast<uint32_t>(max_tokens);
        cp.n_seq_max = 64;
        cp.n_threads = cp.n_threads_batch = threads;
        cp.embeddings = true;
        cp.pooling_type = LLAMA_POOLING_TYPE_NONE;
        cp.kv_unified = true;
        cp.flash_attn_type =
            g_flash ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
        context_ = llama_init_from_model(model, cp);
        ggml_threadpool_params tp = ggml_threadpool_params_default(threads);
        tp.poll = 0;
        pool_ = ggml_threadpool_new(&tp);
        llama_attach_threadpool(context_, pool_, pool_);
        dim_ = llama_model_n_embd(model);
    }
    ~Encoder() {
        llama_free(context_);
        ggml_threadpool_free(pool_);
    }
    /// Token states of every text, in order.
    std::vector<std::vector<float>> encode(const std::vector<const Text*>& texts) {
        int total = 0;
        for (const Text* t : texts)
            total += static_cast<int>(t->size());
        llama_batch batch = llama_batch_init(total, 0, 1);
        for (size_t s = 0; s < texts.size(); ++s)
            for (size_t i = 0; i < texts[s]->size(); ++i) {
                const int at = batch.n_tokens++;
                batch.token[at] = (*texts[s])[i];
                batch.pos[at] = static_cast<llama_pos>(i);
                batch.n_seq_id[at] = 1;
                batch.seq_id[at][0] = static_cast<llama_seq_id>(s);
                batch.logits[at] = 1;
            }
        if (llama_encode(context_, batch) != 0)
            std::exit(4);
        const float* out = llama_get_embeddings(context_);
        std::vector<std::vector<float>> states;
        for (const Text* t : texts) {
            states.emplace_back(out, out + t->size() * static_cast<size_t>(dim_));
            out += t->size() * static_cast<size_t>(dim_);
        }
        llama_batch_free(batch);
        return states;
    }

  private:
    llama_context* context_;
    ggml_threadpool_t pool_;
    int dim_;
};

} // namespace

int main(int argc, char** argv) {
    int mixes = 50, max_tokens = 512;
    const char *model_path = nullptr, *dump = nullptr;
    for (int i = 1; i < argc; ++i) {
        const std::string a = argv[i];
        if (a == "--mixes")
            mixes = std::atoi(argv[++i]);
        else if (a == "--max-tokens")
            max_tokens = std::atoi(argv[++i]);
        else if (a == "--no-flash")
            g_flash = false;
        else if (a == "--dump")
            dump = argv[++i];
        else
            model_path = argv[i];
    }
    llama_log_set(
        [](ggml_log_level level, const char* text, void*) {
            if (level >= GGML_LOG_LEVEL_ERROR)
                std::fputs(text, stderr);
        },
        nullptr);
    bge::kernels::install();
    llama_backend_init();
    llama_model_params mp = llama_model_default_params();
    mp.progress_callback = [](float, void*) { return true; };
    llama_model* model = llama_model_load_from_file(model_path, mp);
    if (!model)
        return 3;
    std::mt19937 random(7);
    const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
    const auto text = [&](int tokens) {
        Text t(static_cast<size_t>(tokens));
        for (llama_token& v : t)
            v = static_cast<llama_token>(4 + random() % static_cast<unsigned>(vocabulary - 10));
        return t;
    };
    int differing = 0, compared = 0;
    {
        Encoder one(model, 1, max_tokens), two(model, 2, max_tokens);
        std::vector<Text> texts;
        for (int tokens : {3, 16, 17, 31, 64, 100, 128, 200})
            if (tokens <= max_tokens)
                texts.push_back(text(tokens));
        if (dump) {
            FILE* f = std::fopen(dump, "wb");
            for (const Text& t : texts) {
                const auto states = two.encode({&t});
                std::fwrite(states[0].data(), 4, states[0].size(), f);
            }
            std::fclose(f);
            f = std::fopen((std::string(dump) + ".ids").c_str(), "w"); // a text per line
            for (const Text& t : texts) {
                for (llama_token id : t)
                    std::fprintf(f, "%d ", id);
                std::fputc('\n', f);
            }
            std::fclose(f);
        }
        for (int m = 0; m < mixes; ++m) {
            std::vector<Text> mix;
            const int longest = std::min(max_tokens, m % 3 == 0 ? 20 : m % 3 == 1 ? 80 : 300);
            for (int room = max_tokens; mix.size() < 32;) {
                const int tokens = 1 + static_cast<int>(random() % static_cast<unsigned>(longest));
                if (tokens > room)
                    break;
                room -= tokens;
                mix.push_back(text(tokens));
            }
            std::vector<const Text*> order;
            for (const Text& t : mix)
                order.push_back(&t);
            const auto packed = two.encode(order);
            const auto single_threaded = one.encode(order);
            std::vector<size_t> shuffled(order.size());
            for (size_t i = 0; i < shuffled.size(); ++i)
                shuffled[i] = i;
            std::shuffle(shuffled.begin(), shuffled.end(), random);
            std::vector<const Text*> reordered;
            for (size_t i : shuffled)
                reordered.push_back(order[i]);
            const auto mixed = two.encode(reordered);
            for (size_t i = 0; i < order.size(); ++i) {
                const auto same = [&](const std::vector<float>& other) {
                    return std::memcmp(packed[i].data(), other.data(), other.size() * 4) == 0;
                };
                const size_t place = static_cast<size_t>(
                    std::find(shuffled.begin(), shuffled.end(), i) - shuffled.begin());
                compared += 2;
                differing += !same(single_threaded[i]) + !same(mixed[place]);
                if (i % 4 == static_cast<size_t>(m) % 4) {
                    ++compared;
                    differing += !same((m % 2 ? one : two).encode({order[i]})[0]);
                }
            }
        }
    }
    const auto c = bge::kernels::coverage();
    std::printf(
        "%s %s: %d mixes, %d comparisons, %d differ; %zu weights packed, %d of %d nodes ours, "
        "attention %s\n",
        bge::kernels::isa(), bge::kernels::quant_name(), mixes, compared, differing, c.weights,
        c.nodes_own, c.nodes_total, c.attention_fused ? "fused" : "ggml's");
    llama_model_free(model);
    return differing != 0;
}
