"""make_checkpoints.py SPEC.json: checkpoints with seeded random weights, saved and run by sentence-transformers.

SPEC: {"texts": [...], "vocabularies": {"wordpiece" | "unigram": DIR}, "cases": [{"name", "architecture", "vocabulary",
"output", "modules": [[CLASS, {arguments}]...], "maxTokens", "safe"}]}. In every case's folder: the checkpoint, and
expected.json with a vector for every text.
"""
import json
import sys
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as classes
from transformers import AutoTokenizer, BertConfig, BertModel, RobertaConfig, RobertaModel
from transformers import XLMRobertaConfig, XLMRobertaModel

ARCHITECTURES = {
    "bert": (BertConfig, BertModel, {"type_vocab_size": 2, "pad_token_id": 0}),
    "roberta": (RobertaConfig, RobertaModel, {"type_vocab_size": 1, "pad_token_id": 1}),
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel, {"type_vocab_size": 1, "pad_token_id": 1}),
}
ROWS = {"wordpiece": 30522, "unigram": 250037}  # of the unigram vocabulary 250,002 have pieces


def encoder(case):
    make_config, make_model, special = ARCHITECTURES[case["architecture"]]
    config = make_config(
        vocab_size=ROWS[case["vocabulary"]], hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=128, max_position_embeddings=130, **special)
    model = make_model(config).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            # wide enough that unrelated texts lie apart; norms and biases are not what they begin as
            if "LayerNorm.weight" in name:
                weights.uniform_(0.5, 1.5)
            else:
                weights.normal_(0, 0.3 if weights.dim() == 2 else 0.1)
    return model


def module(name, arguments):
    arguments = dict(arguments)
    activation = arguments.pop("activation", None)
    if activation:
        arguments["activation_function"] = getattr(torch.nn, activation)()
    made = getattr(classes, name)(**arguments)
    with torch.no_grad():
        for weights in made.parameters():
            weights.normal_(0, 1)
    return made


def main(spec):
    torch.set_num_threads(1)  # models this small gain nothing, and threads wait for each other on a busy machine
    tokenizers = {name: AutoTokenizer.from_pretrained(folder) for name, folder in spec["vocabularies"].items()}
    for seed, case in enumerate(spec["cases"]):
        torch.manual_seed(seed)
        output = Path(case["output"])
        plain = output / "plain"
        encoder(case).save_pretrained(plain)
        tokenizers[case["vocabulary"]].save_pretrained(plain)
        transformer = classes.Transformer(str(plain), max_seq_length=case["maxTokens"])
        chain = [module(name, arguments) for name, arguments in case["modules"]]
        model = SentenceTransformer(modules=[transformer, *chain], device="cpu")
        model.save_pretrained(str(output / "saved"), safe_serialization=case["safe"], create_model_card=False)
        again = SentenceTransformer(str(output / "saved"), device="cpu")
        vectors = again.encode(spec["texts"], batch_size=1, convert_to_numpy=True)
        (output / "expected.json").write_text(json.dumps(vectors.tolist()))


main(json.loads(Path(sys.argv[1]).read_text()))
