// Tokens per second of llama.cpp on our kernels and on ggml's own, without engine or Node.
//
//   e2e MODEL [--threads N] [--seconds S] [--shapes 1x512,8x128,...] [--rounds R]
//      [--modes stock,fixed,fixed:avx2,...] [--clock wall|cpu]
//
// Beside tokens a second stands the share that their multiplies are of what the threads could do at
// most (peak.h), measured between the rounds.
//
// Every mode is a child process; they take turns, one short run each, because the machine changes
// its speed for minutes at a time. --clock cpu counts the process's processor time instead of wall
// time: with one thread that stays meaningful while others use the machine.
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#ifdef __unix__
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#endif

#include "../../native/ggml/install.h"
#include "peak.h"

namespace {

bool g_cpu_clock = false;

double now() {
#ifdef CLOCK_PROCESS_CPUTIME_ID
    if (g_cpu_clock) {
        timespec t;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
    }
#endif
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

struct Shape {
    int texts, tokens;
};

std::vector<Shape> parse_shapes(const std::string& list) {
    std::vector<Shape> shapes;
    for (size_t at = 0; at < list.size();) {
        const size_t end = std::min(list.find(',', at), list.size());
        Shape s{};
        if (std::sscanf(list.substr(at, end - at).c_str(), "%dx%d", &s.texts, &s.tokens) == 2)
            shapes.push_back(s);
        at = end + 1;
    }
    return shapes;
}

class Bench {
  public:
    Bench(const char* path, int threads, int max_tokens) : threads_(threads) {
        llama_model_params mp = llama_model_default_params();
        mp.n_gpu_layers = 0;
        mp.progress_callback = [](float, void*) { return true; };
        model_ = llama_model_load_from_file(path, mp);
        if (!model_)
            std::exit(3);
        llama_context_params cp = llama_context_default_params();
        cp.n_ctx = cp.n_batch = cp.n_ubatch = static_cast<uint32_t>(max_tokens);
        cp.n_seq_max =
            static_cast<uint32_t>(std::min(64, max_tokens)); // llama.cpp wants one output each
        cp.n_threads = cp.n_threads_batch = threads;
        cp.embeddings = true;
        cp.pooling_type = LLAMA_POOLING_TYPE_NONE;
        cp.kv_unified = true;
        cp.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
        cp.no_perf = true;
        context_ = llama_init_from_model(model_, cp);
        if (!context_)
            std::exit(3);
        ggml_threadpool_params tp = ggml_threadpool_params_default(threads);
        tp.poll = 0;
        pool_ = ggml_threadpool_new(&tp);
        llama_attach_threadpool(context_, pool_, pool_);
    }
    ~Bench() {
        llama_free(context_);
        ggml_threadpool_free(pool_);
        llama_model_free(model_);
    }

    /// Seconds of one pass.
    double run(Shape s) {
        std::mt19937 random(1);
        llama_batch batch = llama_batch_init(s.texts * s.tokens, 0, 1);
        for (int t = 0; t < s.texts; ++t)
            for (int i = 0; i < s.tokens; ++i) {
                const int at = batch.n_tokens++;
                batch.token[at] = static_cast<llama_token>(10 + random() % 200000);
                batch.pos[at] = i;
                batch.n_seq_id[at] = 1;
                batch.seq_id[at][0] = t;
                batch.logits[at] = 1;
            }
        const double start = now();
        if (llama_encode(context_, batch) != 0)
            std::exit(4);
        const float* out = llama_get_embeddings(context_);
        const double seconds = now() - start;
        checksum_ = 0;
        for (int i = 0; i < batch.n_tokens * 4; ++i)
            checksum_ += std::fabs(static_cast<double>(out[i]));
        llama_batch_free(batch);
        return seconds;
    }
    double checksum() const { return checksum_; }
    /// Multiply-accumulates of a token's matrices, and of its attention per token of its text.
    double macs_of_matrices() const {
        const double dim = llama_model_n_embd(model_), layers = llama_model_n_layer(model_);
        char text[32] = "";
        const int found =
            llama_model_meta_val_str(model_, "bert.feed_forward_length", text, sizeof text);
        return layers * dim * (4 * dim + 2 * (found > 0 ? std::atof(text) : 4 * dim));
    }
    double macs_of_attention() const {
        return 2.0 * llama_model_n_layer(model_) * llama_model_n_embd(model_);
    }

  private:
    int threads_;
    llama_model* model_ = nullptr;
    llama_context* context_ = nullptr;
    ggml_threadpool_t pool_ = nullptr;
    double checksum_ = 0;
};

/// Reads "TEXTS TOKENS SECONDS" lines, answers "BEST-OF-RUNS..." times.
int serve(const char* model, int threads, int max_tokens) {
    Bench bench(model, threads, max_tokens);
    std::printf("%.0f %.0f %s %s\n", bench.macs_of_matrices(), bench.macs_of_attention(),
                bge::kernels::isa(), bge::kernels::quant_name());
    std::fflush(stdout);
    Shape s{};
    double seconds;
    while (std::scanf("%d %d %lf", &s.texts, &s.tokens, &seconds) == 3) {
        std::vector<double> times;
        for (double spent = 0; spent < seconds || times.empty();) {
            times.push_back(bench.run(s));
            spent += times.back();
        }
        std::printf("%zu", times.size());
        for (double t : times)
            std::printf(" %.6f", t);
        std::printf("\n");
        std::fflush(stdout);
    }
    return 0;
}

#ifdef __unix__
struct Child {
    std::string name;
    FILE *in = nullptr, *out = nullptr;
    std::vector<std::vector<double>> times;
    double macs_of_matrices = 0, macs_of_attention = 0;
};

Child spawn(const std::string& name, std::vector<std::string> args,
            const std::vector<std::pair<std::string, std::string>>& environment) {
    int to[2], from[2];
    if (pipe(to) || pipe(from))
        std::exit(5);
    if (fork() == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        close(to[1]);
        close(from[0]);
        for (const auto& [key, value] : environment)
            setenv(key.c_str(), value.c_str(), 1);
        std::vector<char*> argv;
        for (std::string& a : args)
            argv.push_back(a.data());
        argv.push_back(nullptr);
        execv("/proc/self/exe", argv.data());
        std::exit(6);
    }
    close(to[0]);
    close(from[1]);
    Child c;
    c.name = name;
    c.in = fdopen(to[1], "w");
    c.out = fdopen(from[0], "r");
    char line[256];
    if (!std::fgets(line, sizeof line, c.out))
        std::exit(7);
    char isa[64] = "", quant[64] = "";
    if (std::sscanf(line, "%lf %lf %63s %63s", &c.macs_of_matrices, &c.macs_of_attention, isa,
                    quant) != 4)
        std::exit(7);
    std::fprintf(stderr, "%s: %s %s\n", name.c_str(), isa, quant);
    return c;
}
#endif

} // namespace

int main(int argc, char** argv) {
    std::string shapes = "1x512,8x128,32x16,1x16,1x2048", modes = "stock,fixed,block";
    int threads = 2, rounds = 5;
    double seconds = 0.6;
    bool child = false;
    const char* model = nullptr;
    for (int i = 1; i < argc; ++i) {
        const std::string a = argv[i];
        if (a == "--threads")
            threads = std::atoi(argv[++i]);
        else if (a == "--seconds")
            seconds = std::atof(argv[++i]);
        else if (a == "--rounds")
            rounds = std::atoi(argv[++i]);
        else if (a == "--shapes")
            shapes = argv[++i];
        else if (a == "--modes")
            modes = argv[++i];
        else if (a == "--clock")
            g_cpu_clock = std::string(argv[++i]) == "cpu";
        else if (a == "--child")
            child = true;
        else
            model = argv[i];
    }
    if (!model) {
        std::fprintf(stderr, "usage: e2e MODEL [--threads N] [--seconds S] [--rounds R] [--shapes "
                             "1x512,...] [--modes stock,fixed,block]\n");
        return 2;
    }
    int max_tokens = 0;
    for (const Shape& s : parse_shapes(shapes))
        max_tokens = std::max(max_tokens, s.texts * s.tokens);
    if (child) {
        llama_log_set(
            [](ggml_log_level level, const char* text, void*) {
                if (level >= GGML_LOG_LEVEL_ERROR)
                    std::fputs(text, stderr);
            },
            nullptr);
        bge::kernels::install();
        llama_backend_init();
        return serve(model, threads, max_tokens);
    }
#ifdef __unix__
    std::vector<Child> children;
    for (size_t at = 0; at < modes.size();) {
        const size_t end = std::min(modes.find(',', at), modes.size());
        const std::string mode = modes.substr(at, end - at);
        std::vector<std::pair<std::string, std::string>> environment;
        if (mode == "stock")
            environment = {{"BGE_M3_KERNELS", "off"}};
        else {
            const size_t colon = mode.find(':'); // fixed:avx2
            environment = {{"BGE_M3_QUANT", mode.substr(0, colon)}};
            if (colon != std::string::npos)
                environment.push_back({"BGE_M3_ISA", mode.substr(colon + 1)});
        }
        children.push_back(spawn(mode,
                                 {argv[0], model, "--child", "--threads", std::to_string(threads),
                                  "--shapes", shapes, "--clock", g_cpu_clock ? "cpu" : "wall"},
                                 environment));
        at = end + 1;
    }
    const auto list = parse_shapes(shapes);
    double peak = 0;
    for (int r = 0; r < rounds; ++r) {
        peak = std::max(peak, peak_gmacs(threads));
        for (size_t s = 0; s < list.size(); ++s)
            for (Child& c : children) {
                c.times.resize(list.size());
                std::fprintf(c.in, "%d %d %f\n", list[s].texts, list[s].tokens, seconds);
                std::fflush(c.in);
                int n = 0;
                if (std::fscanf(c.out, "%d", &n) != 1)
                    return 8;
                for (int i = 0; i < n; ++i) {
                    double t = 0;
                    if (std::fscanf(c.out, "%lf", &t) == 1)
                        c.times[s].push_back(t);
                }
            }
    }
    std::printf("tokens a second, %d threads, and the share of their peak (%.0f GMAC/s)\n%-10s",
                threads, peak, "");
    for (const Child& c : children)
        std::printf(" %29s", (c.name + " best (median)").c_str());
    std::printf("\n");
    for (size_t s = 0; s < list.size(); ++s) {
        std::printf("%-10s",
                    (std::to_string(list[s].texts) + "x" + std::to_string(list[s].tokens)).c_str());
        for (Child& c : children) {
            std::vector<double>& t = c.times[s];
            std::sort(t.begin(), t.end());
            const double tokens = list[s].texts * list[s].tokens;
            const double macs = c.macs_of_matrices + c.macs_of_attention * list[s].tokens;
            std::printf(" %11.0f (%6.0f) %5.1f %%", tokens / t.front(), tokens / t[t.size() / 2],
                        100 * macs * tokens / t.front() * 1e-9 / peak);
        }
        std::printf("\n");
    }
    for (Child& c : children) {
        std::fclose(c.in);
        std::fclose(c.out);
    }
    while (wait(nullptr) > 0) {
    }
#endif
    return 0;
}
