#include "fuzz_exercise.h"

#include "embed.h"

#include "../engine/model.h"

#include <algorithm>

namespace bge::test {

namespace {

std::vector<int32_t> tokenized(const Tokenizer& tokenizer, const std::string& text,
                               uint32_t longest) {
    EncodeOptions options;
    options.max_tokens = std::max(longest, 2u);
    options.truncate = true;
    options.spans = true;
    const Encoding encoding = tokenizer.encode(text, options);
    return {encoding.ids.begin(), encoding.ids.end()};
}

} // namespace

void exercise_model(const std::string& path) {
    LoadOptions options;
    options.path = path;
    const std::shared_ptr<Model> model = Model::load(options);
    const ModelSpec& spec = model->spec();

    // longer than any test model allows, so that the cut is exercised as well
    std::string long_text;
    for (int i = 0; i < 400; ++i)
        long_text += "bada kelo " + std::to_string(i);
    std::vector<std::vector<int32_t>> texts;
    for (const std::string& text :
         {std::string(), std::string("a"), std::string("bada kelo, vuzy \xe2\x80\x94 Q!\n"),
          std::string("\xff\xfe\xed\xa0\x80 \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7"),
          std::string("</s> <mask> [SEP] \0 <s>", 22), long_text}) {
        const std::vector<int32_t> ids = tokenized(model->tokenizer(), text, spec.context_length);
        if (ids.size() <= spec.context_length) // a model of one position takes no text at all
            texts.push_back(ids);
    }
    // every id that there is, up to the longest text
    std::vector<int32_t> every(std::min(spec.context_length, spec.vocab_size));
    for (size_t i = 0; i < every.size(); ++i)
        every[i] = static_cast<int32_t>(spec.vocab_size - 1 - i);
    texts.push_back(every);
    texts.push_back({0});

    SessionOptions session_options;
    session_options.threads = 1;
    Session session(model, session_options);
    embed(session, texts);
    embed(session, {every});
    session.stop();
}

} // namespace bge::test
