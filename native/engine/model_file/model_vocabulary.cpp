#include "model_vocabulary.h"

#include <string>

namespace bge {

VocabularyData read_vocabulary(const GgufFile& file, const ModelSpec& spec) {
    VocabularyData out;
    out.kind = spec.vocabulary_kind == VocabularyKind::WordPiece ? TokenizerKind::WordPiece
                                                                 : TokenizerKind::Unigram;
    out.pieces = file.strings("tokenizer.ggml.tokens");
    out.scores = file.f32_array("tokenizer.ggml.scores");
    out.types = file.i32_array("tokenizer.ggml.token_type");
    const ByteView charsmap = file.bytes("tokenizer.ggml.precompiled_charsmap");
    out.charsmap = {reinterpret_cast<const char*>(charsmap.data), charsmap.size};

    auto id = [&file](const char* name) {
        return file.u32("tokenizer.ggml." + std::string(name) + "_token_id").value_or(kNoToken);
    };
    out.bos = id("bos");
    out.eos = id("eos");
    out.unknown = id("unknown");
    out.separator = id("separator");
    if (out.separator == kNoToken)
        out.separator = id("seperator"); // older converters spell it so
    out.padding = id("padding");
    out.cls = id("cls");
    out.mask = id("mask");
    return out;
}

} // namespace bge
