// The float64 reference itself: its formats against blocks worked out by hand, its encoder against
// the plainest possible one, its outputs against their definitions.
#include "check.h"

#include "gguf_builder.h"
#include "reference/dequantize.h"
#include "reference/encoder.h"
#include "reference/outputs.h"
#include "tiny_model.h"

#include <cmath>
#include <limits>

using namespace bge;
using namespace bge::test;
using namespace bge::reference;

namespace {

using Rows = std::vector<std::vector<double>>;

std::vector<double> decode(TensorType type, const std::vector<uint8_t>& bytes, size_t count) {
    std::vector<double> out(count);
    dequantize(static_cast<uint32_t>(type), bytes.data(), count, out.data());
    return out;
}

void check_near(double actual, double expected, double tolerance) {
    if (!(std::fabs(actual - expected) <= tolerance))
        check::fail(__FILE__, __LINE__,
                    std::to_string(actual) + " is not " + std::to_string(expected));
}

/// A tensor of the builder as rows, decoded.
Rows rows_of(GgufBuilder& model, const std::string& name) {
    const TensorData& t = *model.find_tensor(name);
    const auto columns = static_cast<size_t>(t.shape[0]);
    const size_t rows = t.shape.size() > 1 ? static_cast<size_t>(t.shape[1]) : 1;
    std::vector<double> flat(rows * columns);
    dequantize(t.type, t.bytes.data(), flat.size(), flat.data());
    Rows out(rows);
    for (size_t r = 0; r < rows; ++r)
        out[r].assign(flat.begin() + static_cast<std::ptrdiff_t>(r * columns),
                      flat.begin() + static_cast<std::ptrdiff_t>((r + 1) * columns));
    return out;
}

/// A BERT without any cleverness: one loop per index of the formula, nothing shared, nothing
/// blocked.
class PlainBert {
  public:
    PlainBert(GgufBuilder& model, const TinyShape& shape) : model_(model), shape_(shape) {}

    Rows encode(const std::vector<int32_t>& ids) {
        const Rows tokens = rows_of(model_, "token_embd.weight");
        const Rows positions = rows_of(model_, "position_embd.weight");
        const Rows types = rows_of(model_, "token_types.weight");
        Rows x(ids.size(), std::vector<double>(shape_.dim));
        size_t position = 0;
        for (size_t t = 0; t < ids.size(); ++t) {
            // XLM-RoBERTa's padding, token 1, is at no position
            const bool padding = shape_.unigram && ids[t] == 1;
            for (size_t i = 0; i < shape_.dim; ++i)
                x[t][i] = tokens[static_cast<size_t>(ids[t])][i] + types[0][i] +
                          (padding ? 0 : positions[position][i]);
            if (!padding)
                ++position;
        }
        norm(x, "token_embd_norm");
        for (uint32_t l = 0; l < shape_.layers; ++l) {
            const std::string p = "blk." + std::to_string(l) + ".";
            add(x, linear(attention(x, p), p + "attn_output"));
            norm(x, p + "attn_output_norm");
            Rows inner = linear(x, p + "ffn_up");
            for (auto& row : inner)
                for (double& v : row)
                    v = v * 0.5 * std::erfc(-v * 0.70710678118654752440);
            add(x, linear(inner, p + "ffn_down"));
            norm(x, p + "layer_output_norm");
        }
        return x;
    }

  private:
    Rows linear(const Rows& in, const std::string& name) {
        const Rows w = rows_of(model_, name + ".weight");
        const Rows b = rows_of(model_, name + ".bias");
        Rows out(in.size(), std::vector<double>(w.size()));
        for (size_t t = 0; t < in.size(); ++t)
            for (size_t o = 0; o < w.size(); ++o) {
                out[t][o] = b[0][o];
                for (size_t i = 0; i < in[t].size(); ++i)
                    out[t][o] += w[o][i] * in[t][i];
            }
        return out;
    }

    Rows attention(const Rows& x, const std::string& p) {
        const Rows q = linear(x, p + "attn_q"), k = linear(x, p + "attn_k"),
                   v = linear(x, p + "attn_v");
        const size_t n = x.size(), size = shape_.dim / shape_.heads;
        Rows out(n, std::vector<double>(shape_.dim, 0));
        for (size_t i = 0; i < shape_.dim; ++i) {
            const size_t head = i / size * size;
            for (size_t t = 0; t < n; ++t) {
                double total = 0;
                for (size_t s = 0; s < n; ++s) {
                    double score = 0;
                    for (size_t d = head; d < head + size; ++d)
                        score += q[t][d] * k[s][d];
                    const double weight = std::exp(score / std::sqrt(static_cast<double>(size)));
                    total += weight;
                    out[t][i] += weight * v[s][i];
                }
                out[t][i] /= total;
            }
        }
        return out;
    }

    void norm(Rows& x, const std::string& name) {
        const Rows w = rows_of(model_, name + ".weight"), b = rows_of(model_, name + ".bias");
        for (auto& row : x) {
            double sum = 0, squares = 0;
            for (const double v : row) {
                sum += v;
                squares += v * v;
            }
            const double n = static_cast<double>(row.size()), mean = sum / n;
            const double deviation = std::sqrt(squares / n - mean * mean + double(1e-5f));
            for (size_t i = 0; i < row.size(); ++i)
                row[i] = (row[i] - mean) / deviation * w[0][i] + b[0][i];
        }
    }

    static void add(Rows& x, const Rows& y) {
        for (size_t t = 0; t < x.size(); ++t)
            for (size_t i = 0; i < x[t].size(); ++i)
                x[t][i] += y[t][i];
    }

    GgufBuilder& model_;
    const TinyShape shape_;
};

std::vector<int32_t> some_ids(size_t count, uint32_t vocab) {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < count; ++i)
        ids.push_back(static_cast<int32_t>((i * 7919 + 13) % vocab));
    return ids;
}

} // namespace

TEST("float16 bits") {
    CHECK_EQ(half_to_double(0x3c00), 1.0);
    CHECK_EQ(half_to_double(0xc000), -2.0);
    CHECK_EQ(half_to_double(0x3555), 0.333251953125);
    CHECK_EQ(half_to_double(0x7bff), 65504.0);
    CHECK_EQ(half_to_double(0x0001), std::ldexp(1.0, -24));
    CHECK_EQ(half_to_double(0x8400), -std::ldexp(1.0, -14));
    CHECK(std::isinf(half_to_double(0x7c00)) && std::isnan(half_to_double(0x7e00)));
}

TEST("blocks worked out by hand") {
    // d = 0.5; quanta 0, 1, .. 30, -128
    std::vector<uint8_t> q8 = {0x00, 0x38};
    for (int i = 0; i < 31; ++i)
        q8.push_back(static_cast<uint8_t>(i));
    q8.push_back(0x80);
    const std::vector<double> a = decode(TensorType::Q8_0, q8, 32);
    CHECK(a[0] == 0 && a[3] == 1.5 && a[30] == 15 && a[31] == -64);

    // d = 2; low nibbles i, high nibbles 15 - i
    std::vector<uint8_t> q4 = {0x00, 0x40};
    for (int i = 0; i < 16; ++i)
        q4.push_back(static_cast<uint8_t>(i | (15 - i) << 4));
    const std::vector<double> b = decode(TensorType::Q4_0, q4, 32);
    CHECK(b[0] == -16 && b[8] == 0 && b[15] == 14 && b[16] == 14 && b[31] == -16);

    // the same with a minimum of 1
    q4.insert(q4.begin() + 2, {0x00, 0x3c});
    const std::vector<double> c = decode(TensorType::Q4_1, q4, 32);
    CHECK(c[0] == 1 && c[8] == 17 && c[16] == 31);

    // d = 1; the fifth bits of elements 1 and 31
    std::vector<uint8_t> q5 = {0x00, 0x3c, 0x02, 0x00, 0x00, 0x80};
    q5.resize(22, 0x21);
    const std::vector<double> d = decode(TensorType::Q5_0, q5, 32);
    CHECK(d[0] == 1 - 16 && d[1] == 17 - 16 && d[16] == 2 - 16 && d[31] == 18 - 16);

    // d = 1, scale of group 2 is 3, low nibbles of its elements 5, high pairs 2: 3 * (5 + 32 - 32)
    std::vector<uint8_t> q6(210, 0);
    for (int i = 0; i < 16; ++i) {
        q6[static_cast<size_t>(32 + i)] = 0x05;  // elements 32 + i
        q6[static_cast<size_t>(128 + i)] = 0x08; // their high pair is bits 2 and 3
    }
    q6[192 + 2] = 3;
    q6[208] = 0x00;
    q6[209] = 0x3c;
    const std::vector<double> e = decode(TensorType::Q6_K, q6, 256);
    CHECK(e[31] == 0 && e[32] == 15 && e[47] == 15 && e[48] == 0);

    // d = dmin = 1; sub-block 5: scale 35 (low 3, high 2), minimum 17 (low 1, high 1), quantum 4
    std::vector<uint8_t> q4k(144, 0);
    q4k[1] = q4k[3] = 0x3c;
    q4k[4 + 9] = 0x13;   // low nibbles of scale and minimum of sub-block 5
    q4k[4 + 1] = 2 << 6; // high bits of its scale
    q4k[4 + 5] = 1 << 6; // high bits of its minimum
    for (size_t i = 0; i < 32; ++i)
        q4k[16 + 64 + i] = 0x40;
    const std::vector<double> f = decode(TensorType::Q4_K, q4k, 256);
    CHECK(f[159] == 0 && f[160] == 35 * 4 - 17 && f[191] == 35 * 4 - 17);

    // Q5_K: the same with the fifth bit of sub-block 5 set in element 0
    std::vector<uint8_t> q5k(176, 0);
    std::copy(q4k.begin(), q4k.begin() + 16, q5k.begin());
    q5k[16] = 1 << 5;
    for (size_t i = 0; i < 32; ++i)
        q5k[48 + 64 + i] = 0x40;
    const std::vector<double> g = decode(TensorType::Q5_K, q5k, 256);
    CHECK(g[160] == 35 * 20 - 17 && g[161] == 35 * 4 - 17);

    CHECK_EQ(decode(TensorType::BF16, {0x80, 0xbf}, 1)[0], -1.0);
    bool thrown = false;
    try {
        decode(TensorType::IQ2_S, std::vector<uint8_t>(82), 256);
    } catch (const std::invalid_argument&) {
        thrown = true;
    }
    CHECK(thrown);
}

TEST("the test models' encoder and the reference's decoder agree") {
    std::vector<float> values;
    for (int i = 0; i < 256; ++i)
        values.push_back(std::sin(static_cast<float>(i) * 1.7f) * (1 + static_cast<float>(i % 7)));
    const std::pair<TensorType, double> formats[] = {{TensorType::F32, 0},
                                                     {TensorType::F16, 0.004},
                                                     {TensorType::BF16, 0.03},
                                                     {TensorType::Q8_0, 0.032},
                                                     {TensorType::Q4_0, 0.9}};
    for (const auto& [type, tolerance] : formats) {
        const std::vector<double> back = decode(type, encode_tensor(values, type), values.size());
        for (size_t i = 0; i < values.size(); ++i)
            check_near(back[i], static_cast<double>(values[i]), tolerance);
    }
}

TEST("the encoder equals the plainest one") {
    TinyShape shape;
    shape.dim = 96; // three heads; sizes that fill no block of the fast loops
    shape.heads = 3;
    shape.ffn = 160;
    shape.context = 40;
    shape.vocab = 120;
    for (const TensorType type : {TensorType::F32, TensorType::Q8_0}) {
        shape.matrices = shape.tables = type;
        GgufBuilder model = tiny_model(shape, 5);
        const TempFile file(model.build());
        const Encoder encoder(file.path(), 2);
        PlainBert plain(model, shape);
        for (const size_t length : {1, 2, 5, 37, 40}) {
            const std::vector<int32_t> ids = some_ids(length, shape.vocab);
            const std::vector<double> fast = encoder.encode(ids);
            const Rows slow = plain.encode(ids);
            CHECK_EQ(fast.size(), length * shape.dim);
            for (size_t i = 0; i < fast.size(); ++i)
                check_near(fast[i], slow[i / shape.dim][i % shape.dim], 1e-11);
        }
    }
}

TEST("threads change no bit") {
    const TempFile file(tiny_model().build());
    const std::vector<int32_t> ids = some_ids(61, 1000);
    const std::vector<double> one = Encoder(file.path(), 1).encode(ids);
    CHECK(one == Encoder(file.path(), 2).encode(ids));
    CHECK(one == Encoder(file.path(), 3).encode(ids));
}

TEST("projections in one tensor, missing biases and a missing type table") {
    GgufBuilder apart = tiny_model(), joined = tiny_model();
    TensorData weight, bias;
    weight.name = "blk.0.attn_qkv.weight";
    weight.type = static_cast<uint32_t>(TensorType::Q8_0);
    weight.shape = {64, 192};
    bias.name = "blk.0.attn_qkv.bias";
    bias.shape = {192};
    for (const char* name : {"blk.0.attn_q", "blk.0.attn_k", "blk.0.attn_v"}) {
        for (auto& [part, suffix] : {std::pair<TensorData*, const char*>{&weight, ".weight"},
                                     std::pair<TensorData*, const char*>{&bias, ".bias"}}) {
            const TensorData& from = *joined.find_tensor(std::string(name) + suffix);
            part->bytes.insert(part->bytes.end(), from.bytes.begin(), from.bytes.end());
            joined.erase_tensor(std::string(name) + suffix);
        }
    }
    joined.tensors.push_back(weight);
    joined.tensors.push_back(bias);
    const std::vector<int32_t> ids = some_ids(9, 1000);
    const auto states = [&](const GgufBuilder& model) {
        const TempFile file(model.build());
        return Encoder(file.path(), 1).encode(ids);
    };
    CHECK(states(apart) == states(joined));

    GgufBuilder zeros = tiny_model(), none = tiny_model();
    for (const char* name : {"token_types.weight", "blk.1.ffn_up.bias"}) {
        std::vector<uint8_t>& bytes = zeros.find_tensor(name)->bytes;
        std::fill(bytes.begin(), bytes.end(), uint8_t(0));
        none.erase_tensor(name);
    }
    CHECK(states(zeros) == states(none));
    CHECK(states(zeros) != states(apart));
}

TEST("outputs follow their definitions") {
    const size_t dim = 2;
    // <s>, a word, </s>, the word again with another state, <mask>
    const std::vector<int32_t> ids = {0, 9, 2, 9, 250001};
    const std::vector<double> states = {3, 4, 1, 0, 5, 5, 2, 1, -1, -7};
    Heads heads;
    heads.sparse_weight = {1, 0.5};
    heads.sparse_bias = 0.25;
    heads.colbert_weight = {0, 1, 1, 0}; // swaps
    heads.colbert_bias = {1, 0};
    Outputs out = outputs_of(states, ids, dim, false, heads);
    check_near(out.dense[0], 0.6, 1e-15);
    check_near(out.dense[1], 0.8, 1e-15);
    CHECK_EQ(out.sparse.size(), 1u); // <s> and </s> are dropped, <mask> is below zero
    CHECK_EQ(out.sparse[9], 2.75);   // the greater of 1.25 and 2.75
    CHECK(out.token_weights[4] == 0 && out.token_weights[1] == 1.25);
    CHECK_EQ(out.colbert.size(), 4 * dim);                  // </s> stays, <s> goes
    check_near(out.colbert[0], 1 / std::sqrt(2.0), 1e-15);  // (0 + 1, 1)
    check_near(out.colbert[2], 6 / std::sqrt(61.0), 1e-15); // (5 + 1, 5)

    out = outputs_of(states, ids, dim, true, std::nullopt);
    const double mean[] = {2, 0.6};
    check_near(out.dense[0], mean[0] / std::hypot(mean[0], mean[1]), 1e-15);
    CHECK(out.sparse.empty() && out.colbert.empty());
}

TEST("heads are read from keys") {
    TinyShape shape;
    shape.heads_inside = true;
    GgufBuilder model = tiny_model(shape);
    const TempFile file(model.build());
    const GgufFile gguf(file.path());
    const std::optional<Heads> heads = heads_in(gguf);
    CHECK(heads && heads->sparse_weight.size() == 64 && heads->colbert_weight.size() == 64 * 64 &&
          heads->colbert_bias.size() == 64);
    CHECK_EQ(heads->colbert_weight[65],
             half_to_double(gguf.u16_array("bge_m3_node.colbert_linear.weight")[65]));
    CHECK(!heads_in(GgufFile(TempFile(tiny_model().build()).path())));
}

TEST_MAIN()
