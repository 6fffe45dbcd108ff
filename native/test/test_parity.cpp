// The engine against the float64 reference of the same file, on models small enough for every run.
// (Larger ones are compared from TypeScript, through reference_cli.)
#include "check.h"

#include "../engine/model.h"
#include "../engine/session.h"
#include "embed.h"
#include "reference/encoder.h"
#include "reference/outputs.h"
#include "tiny_model.h"

#include <cmath>

using namespace bge;
using namespace bge::test;
using reference::Encoder;

namespace {

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        ab += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    return ab / std::sqrt(aa * bb);
}

/// <s>, tokens that differ from text to text, </s>.
std::vector<int32_t> text_of(size_t length, uint32_t vocab, uint32_t salt) {
    std::vector<int32_t> ids(length, 0);
    uint32_t state = salt * 2654435761u + 1;
    for (size_t i = 1; i + 1 < length; ++i) {
        state = state * 1664525u + 1013904223u;
        ids[i] = static_cast<int32_t>(4 + (state >> 8) % (vocab - 4));
    }
    if (length > 1)
        ids.back() = 2;
    return ids;
}

struct Compared {
    double worst = 1;       ///< least cosine between the engine's vector and the reference's
    double other_texts = 0; ///< mean cosine between different texts
    bool same_neighbours = true;
};

Compared compare(const std::vector<std::vector<double>>& actual,
                 const std::vector<std::vector<double>>& expected) {
    Compared out;
    const size_t n = actual.size();
    const auto nearest = [n](const std::vector<std::vector<double>>& all, size_t i) {
        size_t best = i == 0 ? 1 : 0;
        for (size_t j = 0; j < n; ++j)
            if (j != i && cosine(all[i], all[j]) > cosine(all[i], all[best]))
                best = j;
        return best;
    };
    for (size_t i = 0; i < n; ++i) {
        out.worst = std::min(out.worst, cosine(actual[i], expected[i]));
        // of two neighbours that the reference itself can hardly tell apart either will do
        const double best = cosine(expected[i], expected[nearest(expected, i)]);
        const double chosen = cosine(expected[i], expected[nearest(actual, i)]);
        out.same_neighbours = out.same_neighbours && chosen > best - 4e-3;
        for (size_t j = 0; j < i; ++j)
            out.other_texts += cosine(expected[i], expected[j]) /
                               (static_cast<double>(n) * static_cast<double>(n - 1) / 2);
    }
    return out;
}

/// Embeds texts of several lengths, checks that packing changes no bit, and compares.
Compared run(const TinyShape& shape, uint64_t seed) {
    const TempFile file(tiny_model(shape, seed).build());
    const std::shared_ptr<Model> model = Model::load({file.path(), {}});
    SessionOptions options;
    options.threads = 1;
    Session session(model, options);
    const Encoder encoder(file.path(), 2);

    std::vector<std::vector<int32_t>> texts;
    uint32_t salt = 0;
    for (const size_t length : {1, 2, 3, 7, 16, 17, 31, 64, 65, 100, 128, 300})
        if (length <= shape.context)
            texts.push_back(text_of(length, shape.vocab, ++salt));
    const std::vector<std::vector<float>> packed = embed(session, texts);
    std::vector<std::vector<double>> actual, expected;
    for (size_t i = 0; i < texts.size(); ++i) {
        CHECK(embed(session, {texts[i]})[0] == packed[i]);
        actual.emplace_back(packed[i].begin(), packed[i].end());
        expected.push_back(reference::outputs_of(encoder.encode(texts[i]), texts[i], encoder.dim(),
                                                 encoder.mean_pooling(), std::nullopt)
                               .dense);
    }
    session.stop();
    return compare(actual, expected);
}

void check_close(const TinyShape& shape, double least, const char* what) {
    for (const uint64_t seed : {1, 2}) {
        const Compared c = run(shape, seed);
        std::printf("  %s, seed %d: worst cosine %.7f, between texts %.3f\n", what,
                    static_cast<int>(seed), c.worst, c.other_texts);
        if (!(c.worst >= least))
            check::fail(__FILE__, __LINE__,
                        std::string(what) + ": cosine " + std::to_string(c.worst));
        // without spread between texts the bound above would mean nothing
        CHECK(c.other_texts < 0.9);
        CHECK(c.same_neighbours);
    }
}

/// Head size 64 as in every published encoder, which is what the fast kernels are made for.
TinyShape kernel_shape() {
    TinyShape shape;
    shape.dim = 128;
    shape.heads = 2;
    shape.ffn = 256;
    shape.context = 512;
    return shape;
}

} // namespace

TEST("Q8_0, head size 64, first token") {
    check_close(kernel_shape(), 0.9995, "Q8_0");
}

TEST("Q8_0, head size 64, mean") {
    TinyShape shape = kernel_shape();
    shape.pooling = 1;
    shape.unigram = false;
    check_close(shape, 0.9995, "Q8_0 mean");
}

TEST("F16 and F32 weights") {
    TinyShape shape = kernel_shape();
    shape.matrices = shape.tables = TensorType::F16;
    check_close(shape, 0.9999, "F16");
    shape.matrices = shape.tables = TensorType::F32;
    check_close(shape, 0.9999, "F32");
    shape.matrices = shape.tables = TensorType::BF16;
    check_close(shape, 0.9995, "BF16");
}

TEST("Q4_0 weights: the reference reads the same rounded weights") {
    TinyShape shape = kernel_shape();
    shape.matrices = TensorType::Q4_0;
    check_close(shape, 0.999, "Q4_0");
}

TEST("shapes that the fast kernels do not take") {
    TinyShape shape;
    shape.context = 128;
    check_close(shape, 0.9990, "head size 16");
    shape.dim = 96;
    shape.heads = 3;
    shape.ffn = 100; // not a multiple of 32: no Q8_0
    shape.matrices = TensorType::F16;
    check_close(shape, 0.9999, "ffn 100");
    shape.dim = 36;
    shape.heads = 3;
    shape.tables = TensorType::F32;
    check_close(shape, 0.9999, "head size 12");
}

TEST("the comparison notices a wrong model") {
    // the reference of another file with the same shape must not agree
    const TempFile one(tiny_model(kernel_shape(), 1).build());
    const TempFile two(tiny_model(kernel_shape(), 2).build());
    const std::vector<int32_t> ids = text_of(20, 1000, 1);
    const auto dense = [&](const TempFile& file) {
        return reference::outputs_of(Encoder(file.path()).encode(ids), ids, 128, false,
                                     std::nullopt)
            .dense;
    };
    CHECK(cosine(dense(one), dense(two)) < 0.9);
}

TEST_MAIN()
