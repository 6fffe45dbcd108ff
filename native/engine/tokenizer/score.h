// A piece's score with the very bits that Hugging Face's tokenizers computes with.
#pragma once

namespace bge {

/// SentencePiece trains scores as floats; `tokenizer.json` writes them as decimals, and its reader
/// (serde_json) turns these into doubles by one rounded conversion and one rounded division, which
/// misses the nearest double by one unit in the last place for a quarter of XLM-R's pieces. Sums of
/// scores decide between segmentations, so in a tie of repeated text such a unit shows in the ids.
/// This is that reader: the shortest decimal of `score` as a double, digits / 10^places.
double score_as_read_from_json(float score);

} // namespace bge
