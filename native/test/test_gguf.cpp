// The GGUF reader: right files are read back whole, wrong ones are refused with a typed error.
#include "check.h"

#include "../engine/model_file/gguf_file.h"
#include "gguf_builder.h"
#include "tiny_model.h"

#include <cstring>
#include <filesystem>
#include <functional>

#ifndef _WIN32
#include <sys/stat.h>
#include <unistd.h>
#endif

using namespace bge;
using namespace bge::test;

namespace {

/// The message of the ModelLoad error that reading these bytes gives; "" when it gives none.
std::string refusal(const std::vector<uint8_t>& bytes) {
    const TempFile file(bytes);
    try {
        const GgufFile gguf(file.path());
    } catch (const Error& e) {
        CHECK(e.code() == ErrorCode::ModelLoad);
        return e.what();
    }
    return "";
}

std::string refusal(const GgufBuilder& builder) {
    return refusal(builder.build());
}

void check_refused(const GgufBuilder& builder, const std::string& expected) {
    const std::string message = refusal(builder);
    if (message.find(expected) == std::string::npos)
        check::fail(__FILE__, __LINE__, "expected \"" + expected + "\", got \"" + message + "\"");
}

std::vector<uint8_t> bytes_of(const std::string& text) {
    return std::vector<uint8_t>(text.begin(), text.end());
}

GgufBuilder small_file() {
    GgufBuilder b;
    b.put_u32("n", 7);
    b.put_string("s", "text");
    b.put_strings("list", {"a", "", "ccc"});
    TensorData t;
    t.name = "t";
    t.type = static_cast<uint32_t>(TensorType::F32);
    t.shape = {3, 2};
    t.bytes = encode_tensor({1, 2, 3, 4, 5, 6}, TensorType::F32);
    b.tensors.push_back(t);
    t.name = "u";
    t.shape = {5};
    t.bytes = encode_tensor({7, 8, 9, 10, 11}, TensorType::F32);
    b.tensors.push_back(t);
    return b;
}

} // namespace

TEST("values of every type are read back") {
    GgufBuilder b = small_file();
    b.put_f32("f", 1.5f);
    b.put_bool("yes", true);
    const int64_t wide = -5;
    b.put_scalar("wide", GgufType::I64, &wide, sizeof wide);
    const uint8_t narrow = 200;
    b.put_scalar("narrow", GgufType::U8, &narrow, 1);
    const float floats[] = {0.5f, -2};
    b.put_array("floats", GgufType::F32, 2, floats, sizeof floats);
    const int32_t ints[] = {-1, 2, 3};
    b.put_array("ints", GgufType::I32, 3, ints, sizeof ints);
    const uint8_t blob[] = {1, 2, 255};
    b.put_array("blob", GgufType::U8, 3, blob, sizeof blob);

    const TempFile file(b.build());
    GgufFile opened(file.path());
    const GgufFile gguf(std::move(opened)); // views and lookups survive a move
    CHECK_EQ(gguf.version(), 3u);
    CHECK_EQ(*gguf.u32("n"), 7u);
    CHECK_EQ(*gguf.f32("f"), 1.5f);
    CHECK(*gguf.boolean("yes"));
    CHECK_EQ(*gguf.string("s"), "text");
    CHECK_EQ(*gguf.integer("wide"), -5);
    CHECK_EQ(*gguf.integer("narrow"), 200);
    CHECK_EQ(*gguf.integer("n"), 7);
    CHECK_EQ(gguf.array_length("list"), 3u);
    const auto list = gguf.strings("list");
    CHECK(list.size() == 3 && list[0] == "a" && list[1].empty() && list[2] == "ccc");
    CHECK(gguf.f32_array("floats") == std::vector<float>({0.5f, -2}));
    CHECK(gguf.i32_array("ints") == std::vector<int32_t>({-1, 2, 3}));
    const ByteView view = gguf.bytes("blob");
    CHECK(view.size == 3 && std::memcmp(view.data, blob, 3) == 0);

    CHECK(!gguf.u32("absent") && !gguf.string("absent") && !gguf.integer("absent"));
    CHECK(gguf.strings("absent").empty() && gguf.bytes("absent").size == 0);
    CHECK_THROWS(gguf.u32("s"), ErrorCode::ModelLoad);
    CHECK_THROWS(gguf.u32("narrow"), ErrorCode::ModelLoad);
    CHECK_THROWS(gguf.string("n"), ErrorCode::ModelLoad);
    CHECK_THROWS(gguf.strings("floats"), ErrorCode::ModelLoad);
    CHECK_THROWS(gguf.f32_array("ints"), ErrorCode::ModelLoad);
    CHECK_THROWS(gguf.bytes("n"), ErrorCode::ModelLoad);
    CHECK_THROWS(gguf.integer("f"), ErrorCode::ModelLoad);
    CHECK_THROWS(gguf.array_length("n"), ErrorCode::ModelLoad);
}

TEST("tensors are found, described and read") {
    const TempFile file(small_file().build());
    const GgufFile gguf(file.path());
    CHECK_EQ(gguf.tensors().size(), 2u);
    CHECK(!gguf.find_tensor("absent"));
    const GgufTensor* u = gguf.find_tensor("u");
    CHECK(u && u->shape == (std::array<int64_t, 4>{5, 1, 1, 1}) && u->bytes == 20);
    CHECK_EQ(u->elements(), 5);
    CHECK_EQ(u->offset % 32, 0u);
    float values[5];
    gguf.read_tensor(*u, values);
    CHECK_EQ(values[4], 11.f);
    gguf.read_tensor(*u, 4, values, 8);
    CHECK_EQ(values[1], 9.f);
    CHECK_THROWS(gguf.read_tensor(*u, 16, values, 8), ErrorCode::ModelLoad);
}

TEST("version 2 and other alignments are read") {
    GgufBuilder b = small_file();
    b.version = 2;
    b.alignment = 256;
    b.put_u32("general.alignment", 256);
    const TempFile file(b.build());
    const GgufFile gguf(file.path());
    CHECK_EQ(gguf.alignment(), 256u);
    CHECK_EQ(gguf.find_tensor("u")->offset % 256, 0u);
    float values[5];
    gguf.read_tensor(*gguf.find_tensor("u"), values);
    CHECK_EQ(values[0], 7.f);
}

TEST("a path that is no file") {
    CHECK_THROWS(GgufFile("/nonexistent/model.gguf"), ErrorCode::ModelNotFound);
    CHECK_THROWS(GgufFile(""), ErrorCode::ModelNotFound);
    CHECK_THROWS(GgufFile(std::string("/tmp/a\0b", 8)), ErrorCode::ModelNotFound);
    CHECK_THROWS(GgufFile(std::filesystem::temp_directory_path().string()), ErrorCode::ModelLoad);
    const TempFile file(small_file().build());
    CHECK_THROWS(GgufFile(file.path() + "/inside"), ErrorCode::ModelNotFound);
#ifndef _WIN32
    CHECK_THROWS(GgufFile("/dev/zero"), ErrorCode::ModelLoad);
    const std::string pipe = file.path() + ".pipe";
    CHECK(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK_THROWS(GgufFile(pipe), ErrorCode::ModelLoad); // and does not wait for a writer
    std::filesystem::remove(pipe);
    if (::geteuid() != 0) { // root reads everything
        CHECK(::chmod(file.path().c_str(), 0) == 0);
        CHECK_THROWS(GgufFile(file.path()), ErrorCode::ModelLoad);
    }
#endif
}

TEST("a path outside ASCII") {
    const TempFile file(small_file().build(), "-日本 é.gguf");
    CHECK_EQ(*GgufFile(file.path()).u32("n"), 7u);
}

TEST("other kinds of files are called by their names") {
    const std::pair<std::string, std::string> kinds[] = {
        {"", "empty"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"},
        {std::string("PK\x03\x04\x00\x00", 6) + "archive/data.pkl", "zip"},
        {std::string("\x20\0\0\0\0\0\0\0{\"__metadata__\":{}}", 26) + std::string(40, ' '),
         "safetensors"},
        {"<!DOCTYPE html><html><title>404</title>", "HTML"},
        {"  \n<html>", "HTML"},
        {"{\"error\": \"Repository not found\"}", "JSON"},
        {std::string(4096, '\0'), "zeros"},
        {"tjgg....", "before GGUF"},
        {"Hello, this is a README", "text file"},
        {"GGU", "not a GGUF"},
        {"\x01\x02\x03\x04\x05\x06\xff\xfe", "unknown"},
    };
    for (const auto& [content, expected] : kinds) {
        const std::string message = refusal(bytes_of(content));
        if (message.find(expected) == std::string::npos)
            check::fail(__FILE__, __LINE__, "expected " + expected + " in: " + message);
    }
}

TEST("every prefix of a file is refused") {
    const std::vector<uint8_t> whole = small_file().build();
    // The padding after the last tensor may be missing, as some writers leave it out.
    const size_t needed = whole.size() - 12;
    for (size_t length = 0; length < needed; ++length)
        CHECK(
            !refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}).empty());
    CHECK_EQ(refusal({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(needed)}), "");
}

TEST("bad headers") {
    const auto with = [](const std::function<void(GgufBuilder&)>& edit) {
        GgufBuilder b = small_file();
        edit(b);
        return b;
    };
    for (const uint32_t version : {0u, 4u, 0x7fffffffu})
        check_refused(with([&](GgufBuilder& b) { b.version = version; }), "version");
    check_refused(with([](GgufBuilder& b) { b.version = 1; }), "no longer supported");
    check_refused(with([](GgufBuilder& b) { b.version = 0x03000000; }), "big-endian");
    for (const uint64_t count : {uint64_t(5), uint64_t(1) << 32, ~uint64_t(0)}) {
        CHECK(!refusal(with([&](GgufBuilder& b) { b.key_count = count; })).empty());
        CHECK(!refusal(with([&](GgufBuilder& b) { b.tensor_count = count; })).empty());
    }
}

TEST("bad metadata") {
    GgufBuilder b = small_file();
    b.values.push_back(b.values[0]);
    check_refused(b, "occurs twice");

    b = small_file();
    b.values[0].key = "";
    check_refused(b, "empty");
    b.values[0].key = std::string("n\0m", 3);
    check_refused(b, "NUL");
    b.values[0].key = std::string(70000, 'k');
    check_refused(b, "65535");

    b = small_file();
    b.values[0].type = static_cast<GgufType>(13);
    check_refused(b, "unknown type 13");
    b.values[0].type = GgufType::Array;
    b.values[0].element = GgufType::Array;
    check_refused(b, "array of arrays");

    // A string and an array that claim more than there is, up to where sums would wrap.
    for (const uint64_t length :
         {uint64_t(100000), uint64_t(1) << 62, ~uint64_t(0), ~uint64_t(0) - 100}) {
        b = small_file();
        std::memcpy(b.find("s")->bytes.data(), &length, sizeof length);
        CHECK(!refusal(b).empty());
        b = small_file();
        b.find("list")->count = length;
        CHECK(!refusal(b).empty());
        b.find("list")->element = GgufType::F64;
        CHECK(!refusal(b).empty());
        b.find("list")->element = GgufType::U8;
        CHECK(!refusal(b).empty());
    }
}

TEST("bad alignment") {
    for (const uint32_t alignment : {0u, 3u, 48u, 0x80000000u, 0xffffffffu}) {
        GgufBuilder b = small_file();
        b.put_u32("general.alignment", alignment);
        check_refused(b, "power of two");
    }
    GgufBuilder b = small_file();
    b.put_f32("general.alignment", 32);
    check_refused(b, "32-bit");
}

TEST("bad tensors") {
    const auto with = [](const std::function<void(TensorData&)>& edit) {
        GgufBuilder b = small_file();
        edit(b.tensors[0]);
        return b;
    };
    check_refused(with([](TensorData& t) { t.name = "u"; }), "occurs twice");
    check_refused(with([](TensorData& t) { t.name = ""; }), "empty");
    check_refused(with([](TensorData& t) { t.name = std::string(64, 'n'); }), "63");
    check_refused(with([](TensorData& t) { t.shape = {}; }), "0 dimensions");
    check_refused(with([](TensorData& t) { t.shape = {3, 2, 1, 1, 1}; }), "5 dimensions");
    for (const int64_t size : {int64_t(0), int64_t(-1), INT64_MIN})
        check_refused(with([&](TensorData& t) { t.shape[1] = size; }), "dimension of");
    for (const int64_t size : {INT64_MAX, int64_t(1) << 31, int64_t(1) << 32, int64_t(1) << 62})
        CHECK(!refusal(with([&](TensorData& t) { t.shape = {size, size, size, size}; })).empty());
    for (const uint32_t type : {4u, 5u, 31u, 36u, 43u, 0xffffffffu})
        check_refused(with([&](TensorData& t) { t.type = type; }), "unknown type");
    check_refused(with([](TensorData& t) { t.type = static_cast<uint32_t>(TensorType::Q8_0); }),
                  "not a multiple of 32");
    for (const uint64_t offset : {uint64_t(1), uint64_t(32), ~uint64_t(0)})
        check_refused(with([&](TensorData& t) { t.offset = offset; }), "is expected");
    // the second tensor over the first
    GgufBuilder b = small_file();
    b.tensors[1].offset = 0;
    check_refused(b, "is expected");
}

TEST("a file that shrinks after it was opened") {
    const std::vector<uint8_t> whole = small_file().build();
    const TempFile file(whole);
    const GgufFile gguf(file.path());
    std::filesystem::resize_file(file.path(), whole.size() - 40);
    float values[5];
    CHECK_THROWS(gguf.read_tensor(*gguf.find_tensor("u"), values), ErrorCode::ModelLoad);
    CHECK_EQ(*gguf.string("s"), "text"); // the header is in memory
}

TEST_MAIN()
