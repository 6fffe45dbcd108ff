// What a hostile model file is made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bge::test {

// clang-format off
// Every hyperparameter that llama.cpp knows and a BERT file could therefore be read with.
inline const std::vector<std::string> kKnownKeys = {
    "bert.vocab_size", "bert.context_length", "bert.embedding_length",
    "bert.embedding_length_out", "bert.embedding_length_per_layer_input", "bert.block_count",
    "bert.leading_dense_block_count", "bert.feed_forward_length",
    "bert.expert_feed_forward_length", "bert.expert_shared_feed_forward_length",
    "bert.use_parallel_residual", "bert.expert_count", "bert.expert_used_count",
    "bert.expert_shared_count", "bert.expert_group_count", "bert.expert_group_used_count",
    "bert.expert_weights_scale", "bert.expert_gating_func", "bert.moe_every_n_layers",
    "bert.nextn_predict_layers", "bert.pooling_type", "bert.logit_scale",
    "bert.attn_logit_softcapping", "bert.swin_norm", "bert.rescale_every_n_layers",
    "bert.residual_scale", "bert.embedding_scale", "bert.attention.head_count",
    "bert.attention.head_count_kv", "bert.attention.max_alibi_bias", "bert.attention.clamp_kqv",
    "bert.attention.key_length", "bert.attention.value_length", "bert.attention.key_length_swa",
    "bert.attention.value_length_swa", "bert.attention.layer_norm_epsilon",
    "bert.attention.layer_norm_rms_epsilon", "bert.attention.causal",
    "bert.attention.sliding_window", "bert.attention.sliding_window_pattern",
    "bert.attention.scale", "bert.attention.group_norm_groups", "bert.rope.dimension_count",
    "bert.rope.dimension_count_swa", "bert.rope.dimension_sections", "bert.rope.freq_base",
    "bert.rope.scale_linear", "bert.rope.scaling.type", "bert.rope.scaling.factor",
    "bert.rope.scaling.attn_factor", "bert.rope.scaling.alpha",
    "bert.rope.scaling.original_context_length", "bert.rope.scaling.finetuned",
    "bert.rope.scaling.yarn_log_multiplier", "bert.rope.scaling.yarn_ext_factor",
    "bert.ssm.conv_kernel", "bert.wkv.head_size", "bert.classifier.output_labels",
    "bert.normalize_embeddings", "general.name", "general.type", "general.file_type",
    "general.quantization_version", "general.alignment", "general.architecture", "split.no",
    "split.count", "split.tensors.count", "tokenizer.ggml.model", "tokenizer.ggml.pre",
    "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type",
    "tokenizer.ggml.token_type_count", "tokenizer.ggml.merges", "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id", "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.cls_token_id", "tokenizer.ggml.mask_token_id",
    "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token",
    "tokenizer.ggml.add_space_prefix", "tokenizer.ggml.remove_extra_whitespaces",
    "tokenizer.ggml.precompiled_charsmap", "tokenizer.ggml.suppress_tokens",
    "tokenizer.chat_template", "bge_m3_node.sparse_linear.weight",
    "bge_m3_node.sparse_linear.bias", "bge_m3_node.colbert_linear.weight",
    "bge_m3_node.colbert_linear.bias", "bge_m3_node.standin"};

inline const std::vector<std::string> kHostileStrings = {
    "", "bert", "t5", "none", "no_vocab", "linear", "yarn", "longrope", "su", "default", "llama",
    "nomic-bert", "jina-bert-v2", "gpt2", std::string("be\0rt", 5), std::string(5000, 'x'),
    "%s%n%s", "\xff\xfe\xc0\x80", "\xe2\x96\x81", "\n"};

inline const std::vector<uint32_t> kTensorTypes = {
    0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    27, 28, 29, 30, 34, 35, 39, 40, 41, 42};
// clang-format on

} // namespace bge::test
