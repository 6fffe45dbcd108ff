// The session without Node: queueing, cancelling, stopping, sharing, and the exactness of batches.
#include "check.h"

#include <atomic>
#include <cstring>
#include <future>
#include <random>
#include <thread>

#include "../engine/model.h"
#include "../engine/pages.h"
#include "../engine/session.h"
#include "tiny_model.h"

using namespace bge;

namespace {

/// A model file, kept for as long as the tests run.
class ModelFile {
  public:
    explicit ModelFile(const bge::test::TinyShape& shape)
        : file_(bge::test::tiny_model(shape).build()) {}
    std::shared_ptr<Model> load() const {
        LoadOptions options;
        options.path = file_.path();
        return Model::load(options);
    }

  private:
    bge::test::TempFile file_;
};

bge::test::TinyShape shape_for_kernels() {
    bge::test::TinyShape shape;
    shape.heads = 2; // of 32, which our kernels take
    shape.context = 512;
    return shape;
}

const ModelFile& file() {
    static const ModelFile model(shape_for_kernels());
    return model;
}

std::vector<int32_t> text(std::mt19937& random, uint32_t length, uint32_t vocab) {
    std::vector<int32_t> ids(length);
    for (int32_t& id : ids)
        id = static_cast<int32_t>(4 + random() % (vocab - 4));
    ids.front() = 0;
    ids.back() = 2;
    return ids;
}

struct Pending {
    std::shared_ptr<Batch> batch;
    std::future<BatchResult> result;
};

Pending submit(Session& session, const std::vector<std::vector<int32_t>>& texts) {
    auto batch = std::make_shared<Batch>();
    for (const auto& ids : texts) {
        batch->tokens.insert(batch->tokens.end(), ids.begin(), ids.end());
        batch->lengths.push_back(static_cast<uint32_t>(ids.size()));
    }
    auto promise = std::make_shared<std::promise<BatchResult>>();
    batch->done = [promise](BatchResult&& result) { promise->set_value(std::move(result)); };
    Pending pending{batch, promise->get_future()};
    session.submit(batch);
    return pending;
}

std::vector<float> embed(Session& session, const std::vector<std::vector<int32_t>>& texts) {
    BatchResult result = submit(session, texts).result.get();
    if (result.error)
        throw *result.error;
    return result.pooled;
}

} // namespace

TEST("a text has the same bits alone, in any batch, on one, two and three threads") {
    const auto model = file().load();
    const uint32_t dim = model->spec().dim;
    Session one(model, {1}), two(model, {2}), three(model, {3});
    std::mt19937 random(7);
    for (int round = 0; round < 12; ++round) {
        std::vector<std::vector<int32_t>> texts;
        uint32_t left = 500;
        while (left > 4 && texts.size() < 40) {
            const uint32_t length = std::min<uint32_t>(left, 2 + random() % 120);
            texts.push_back(text(random, length, model->spec().vocab_size));
            left -= length;
        }
        const std::vector<float> together = embed(two, texts);
        CHECK_EQ(together.size(), texts.size() * dim);
        Session* const sessions[] = {&one, &two, &three};
        for (size_t i = 0; i < texts.size(); ++i) {
            const std::vector<float> alone = embed(*sessions[i % 3], {texts[i]});
            CHECK(std::memcmp(alone.data(), together.data() + i * dim, dim * sizeof(float)) == 0);
        }
    }
}

namespace {

std::vector<float> rank(Session& session, const std::vector<std::vector<int32_t>>& pairs,
                        const std::vector<uint32_t>& firsts) {
    auto batch = std::make_shared<Batch>();
    for (const auto& ids : pairs) {
        batch->tokens.insert(batch->tokens.end(), ids.begin(), ids.end());
        batch->lengths.push_back(static_cast<uint32_t>(ids.size()));
    }
    batch->firsts = firsts;
    std::promise<BatchResult> promise;
    batch->done = [&promise](BatchResult&& result) { promise.set_value(std::move(result)); };
    session.submit(batch);
    BatchResult result = promise.get_future().get();
    if (result.error)
        throw *result.error;
    return result.pooled;
}

bge::test::TinyShape shape_of_ranker(bool unigram) {
    bge::test::TinyShape shape = shape_for_kernels();
    shape.unigram = unigram;
    shape.token_types = unigram ? 1 : 2;
    shape.pooling = 4;
    shape.ranks = true;
    return shape;
}

} // namespace

TEST("a pair has the same score alone, in any batch, on one, two and three threads") {
    for (const bool unigram : {true, false}) {
        const ModelFile ranker(shape_of_ranker(unigram));
        const auto model = ranker.load();
        Session one(model, {1}), two(model, {2}), three(model, {3});
        Session* const sessions[] = {&one, &two, &three};
        std::mt19937 random(11);
        for (int round = 0; round < 8; ++round) {
            std::vector<std::vector<int32_t>> pairs;
            std::vector<uint32_t> firsts;
            uint32_t left = 500;
            while (left > 6 && pairs.size() < 40) {
                const uint32_t length = std::min<uint32_t>(left, 4 + random() % 120);
                pairs.push_back(text(random, length, model->spec().vocab_size));
                firsts.push_back(1 + static_cast<uint32_t>(random()) % (length - 1));
                left -= length;
            }
            const std::vector<float> together = rank(two, pairs, firsts);
            CHECK_EQ(together.size(), pairs.size());
            for (size_t i = 0; i < pairs.size(); ++i)
                CHECK_EQ(rank(*sessions[i % 3], {pairs[i]}, {firsts[i]})[0], together[i]);
        }
    }
}

TEST("where a pair's second text begins counts for a model with two token types alone") {
    for (const bool unigram : {true, false}) {
        const ModelFile ranker(shape_of_ranker(unigram));
        Session session(ranker.load(), {2});
        std::mt19937 random(5);
        const std::vector<int32_t> ids = text(random, 40, 900);
        const float early = rank(session, {ids}, {5})[0], late = rank(session, {ids}, {30})[0];
        CHECK_EQ(early == late, unigram);
        CHECK_EQ(rank(session, {ids}, {40})[0], rank(session, {ids}, {})[0]); // all of type 0
        CHECK_THROWS(rank(session, {ids}, {41}), ErrorCode::InvalidInput);
        CHECK_THROWS(rank(session, {ids}, {1, 2}), ErrorCode::InvalidInput);
    }
}

TEST("ids and lengths that llama.cpp would abort on are refused") {
    const auto model = file().load();
    Session session(model, {1});
    CHECK_THROWS(submit(session, {{}}), ErrorCode::InvalidInput);
    CHECK_THROWS(submit(session, {}), ErrorCode::InvalidInput);
    CHECK_THROWS(submit(session, {{0, -1, 2}}), ErrorCode::InvalidInput);
    CHECK_THROWS(submit(session, {{0, 1000, 2}}), ErrorCode::InvalidInput);
    CHECK_THROWS(submit(session, {std::vector<int32_t>(513, 5)}), ErrorCode::InvalidInput);
    CHECK_EQ(embed(session, {std::vector<int32_t>(512, 5)}).size(), model->spec().dim);
    auto wrong = std::make_shared<Batch>();
    wrong->tokens = {0, 5, 2};
    wrong->lengths = {2};
    wrong->done = [](BatchResult&&) {};
    CHECK_THROWS(session.submit(wrong), ErrorCode::InvalidInput);
    auto headless = std::make_shared<Batch>();
    headless->tokens = {0, 2};
    headless->lengths = {2};
    headless->outputs = kDense | kSparse;
    headless->done = [](BatchResult&&) {};
    CHECK_THROWS(session.submit(headless), ErrorCode::InvalidInput);
}

TEST("a cancelled batch ends as Cancelled, and the next one runs") {
    Session session(file().load(), {2});
    std::mt19937 random(3);
    std::vector<Pending> many;
    for (int i = 0; i < 20; ++i)
        many.push_back(submit(session, {text(random, 500, 1000)}));
    for (Pending& pending : many)
        pending.batch->cancelled = true;
    int cancelled = 0;
    for (Pending& pending : many) {
        const BatchResult result = pending.result.get();
        if (result.error) {
            CHECK_EQ(std::string(error_code_name(result.error->code())), std::string("CANCELLED"));
            ++cancelled;
        }
    }
    CHECK(cancelled >= 15);
    CHECK_EQ(embed(session, {{0, 7, 2}}).size(), size_t{64});
}

TEST("a batch that waits is withdrawn at once, one that runs or is done is not") {
    Session session(file().load(), {2});
    std::mt19937 random(4);
    std::vector<Pending> many;
    for (int i = 0; i < 20; ++i)
        many.push_back(submit(session, {text(random, 500, 1000)}));
    Pending& last = many.back();
    CHECK(session.withdraw(last.batch));
    const BatchResult withdrawn = last.result.get();
    CHECK(withdrawn.error && withdrawn.error->code() == ErrorCode::Cancelled);
    CHECK(!session.withdraw(last.batch));
    for (size_t i = 0; i + 1 < many.size(); ++i)
        CHECK(!many[i].result.get().error);
    CHECK(!session.withdraw(many.front().batch));
}

TEST("the account of a context's memory grows with its tokens, and steps as contexts do") {
    Session session(file().load(), {1});
    CHECK_EQ(session.context_bytes(0), uint64_t{0});
    CHECK_EQ(session.context_bytes(1), session.context_bytes(512));
    CHECK(session.context_bytes(512) > 0);
}

TEST("stopping ends every batch, and later ones are refused") {
    auto session = std::make_unique<Session>(file().load(), SessionOptions{2});
    std::mt19937 random(5);
    std::vector<Pending> many;
    for (int i = 0; i < 50; ++i)
        many.push_back(submit(*session, {text(random, 500, 1000)}));
    session->stop();
    int disposed = 0;
    for (Pending& pending : many) {
        const BatchResult result = pending.result.get();
        disposed += result.error && result.error->code() == ErrorCode::Disposed ? 1 : 0;
    }
    CHECK(disposed >= 40);
    CHECK_THROWS(submit(*session, {{0, 2}}), ErrorCode::Disposed);
    session->stop();
}

TEST("sessions and models are shared, and many threads may submit at once") {
    const auto model = file().load();
    CHECK(model == file().load());
    const auto shared = Session::shared(model, {2});
    CHECK(shared == Session::shared(model, {2}));
    CHECK(shared != Session::shared(model, {1}));
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            std::mt19937 random(static_cast<uint32_t>(t));
            const auto session = Session::shared(model, {1 + t % 2});
            for (int i = 0; i < 10; ++i) {
                const auto ids = text(random, 2 + random() % 60, 1000);
                const auto first = embed(*session, {ids});
                const auto again = embed(*session, {ids, ids});
                good += std::memcmp(first.data(), again.data() + 64, 64 * sizeof(float)) == 0;
            }
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    CHECK_EQ(good.load(), 80);
}

TEST("a session may be let go from its own callback") {
    auto session = std::make_shared<Session>(file().load(), SessionOptions{1});
    auto batch = std::make_shared<Batch>();
    batch->tokens = {0, 9, 2};
    batch->lengths = {3};
    std::promise<void> done;
    Session* raw = session.get();
    batch->done = [&done, held = std::move(session)](BatchResult&&) mutable { done.set_value(); };
    raw->submit(batch);
    done.get_future().wait();
    batch.reset();
}

TEST("discarded pages take nothing with them that lies beside them") {
    constexpr size_t kBytes = 64 * 1024;
    std::mt19937 random(6);
    for (int i = 0; i < 400; ++i) {
        std::vector<uint8_t> memory(kBytes, 0xa5);
        const size_t begin = random() % kBytes, bytes = random() % (kBytes - begin);
        const size_t spare = random() % 3 ? random() % (begin + 1) : 0;
        discard_pages(memory.data() + begin, bytes, spare);
        for (size_t at = 0; at < kBytes; ++at)
            CHECK(memory[at] == 0xa5 || (at >= begin - spare && at < begin + bytes));
    }
}

TEST_MAIN()
