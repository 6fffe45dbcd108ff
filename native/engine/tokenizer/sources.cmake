# The tokenizer's sources, relative to the folder that includes this file (native/engine).
set(BGE_TOKENIZER_SOURCES
    tokenizer/bert_tables.cpp
    tokenizer/charsmap.cpp
    tokenizer/checked_vocabulary.cpp
    tokenizer/grapheme.cpp
    tokenizer/piece_trie.cpp
    tokenizer/score.cpp
    tokenizer/tokenizer.cpp
    tokenizer/unicode_tables.cpp
    tokenizer/unigram.cpp
    tokenizer/viterbi.cpp
    tokenizer/wordpiece.cpp)
