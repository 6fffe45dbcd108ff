"""Writes the gold files of test/fixtures/tokenizer from Hugging Face's own `tokenizers` library.

    python3 -m venv V && V/bin/pip install tokenizers==0.23.2
    V/bin/python make_gold.py LLAMA_CPP/models OUTPUT_FOLDER

The vocabulary, scores and charsmap are those of llama.cpp's test vocabularies (the first 250,002
entries of ggml-vocab-nomic-bert-moe.gguf are XLM-RoBERTa's; ggml-vocab-bert-bge.gguf is BERT
uncased). The pipelines are those of xlm-roberta-base's and bert-base-uncased's tokenizer.json.
"""

import base64
import json
import random
import struct
import sys

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

XLMR_PIECES = 250002


def read_gguf(path):
    """The metadata of a GGUF, as a dictionary."""
    data = open(path, "rb").read()
    at = 24
    formats = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def scalar(fmt):
        nonlocal at
        value = struct.unpack_from("<" + fmt, data, at)[0]
        at += struct.calcsize(fmt)
        return value

    def value(kind):
        nonlocal at
        if kind == 8:
            size = scalar("Q")
            at += size
            return data[at - size : at].decode()
        if kind == 9:
            item, count = scalar("I"), scalar("Q")
            if item == 8:
                return [value(8) for _ in range(count)]
            values = struct.unpack_from(f"<{count}{formats[item]}", data, at)
            at += struct.calcsize(formats[item]) * count
            return values
        return scalar(formats[kind])

    out = {}
    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        key = value(8)
        out[key] = value(scalar("I"))
    return out


def xlm_roberta(models_dir):
    meta = read_gguf(f"{models_dir}/ggml-vocab-nomic-bert-moe.gguf")
    special = lambda i, text, lstrip=False: {
        "id": i, "content": text, "single_word": False, "lstrip": lstrip, "rstrip": False,
        "normalized": False, "special": True,
    }
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    template = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    charsmap = base64.b64encode(bytes(meta["tokenizer.ggml.precompiled_charsmap"])).decode()
    return Tokenizer.from_str(json.dumps({
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [special(0, "<s>"), special(1, "<pad>"), special(2, "</s>"), special(3, "<unk>"),
                         special(XLMR_PIECES - 1, "<mask>", True)],
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
        "post_processor": {"type": "TemplateProcessing", "single": template,
                           "pair": template + [{"Sequence": {"id": "B", "type_id": 0}}],
                           "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]}
                                              for i, t in ((0, "<s>"), (2, "</s>"))}},
        "decoder": metaspace,
        "model": {"type": "Unigram", "unk_id": 3, "byte_fallback": False,
                  "vocab": [list(item) for item in zip(meta["tokenizer.ggml.tokens"][:XLMR_PIECES],
                                                       meta["tokenizer.ggml.scores"])]},
    })), meta["tokenizer.ggml.tokens"]


def bert_uncased(models_dir):
    meta = read_gguf(f"{models_dir}/ggml-vocab-bert-bge.gguf")
    pieces = [text if kind == 3 else text[1:] if text.startswith("▁") else "##" + text
              for text, kind in zip(meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"])]
    out = Tokenizer(models.WordPiece({text: i for i, text in enumerate(pieces)}, unk_token="[UNK]",
                                     max_input_chars_per_word=100))
    out.normalizer = normalizers.BertNormalizer(lowercase=True)
    out.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    out.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 101), ("[SEP]", 102)])
    out.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    out.add_special_tokens([AddedToken(t, special=True, normalized=False)
                            for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")])
    return out


# What has gone wrong in some tokenizer, or could: one list for both models.
ADVERSARIAL = [
    "", " ", "   ", "\n", "\r\n", "\t \n", "\u00a0", "\u3000", "\u2028\u2029", "\u0085", "\u1680\u180e",
    "a ", " a", "a  b", "a\tb", "a\nb", "a\r\nb", "a\u00a0b", "a\u3000b", "a\u2009b", "a\u0085b",
    "a\u200bb", "a\u200cb", "a\u200db", "a\u2060b", "a\ufeffb", "\ufeffa", "a\u00adb", "a\u061cb",
    "\x00", "a\x00b", "\x00\x00", "a\x01b\x02", "\x7f", "a\x9fb", "\x1b[31mred\x1b[0m", "\ufffd", "a\ufffdb",
    "\ufffe", "\uffff", "\U0010ffff", "\ue000", "\U000f0000", "\U000e0041\U000e007f",
    # precomposed and decomposed; clusters of 5 and of 6 bytes; several marks; no base
    "café", "cafe\u0301", "e\u0301", "e\u0301\u0327", "e\u0327\u0301", "e\u0301\u0301\u0301", "\u0301", "\u0301a",
    " \u0301", "a \u0301b", "\u1e69", "s\u0323\u0307", "q\u0307\u0323", "A\u030a", "\u212b", "\u00c5", "o\u0302\u0301",
    "i\u0307", "\u0130", "I\u0307", "ß", "ẞ", "ŉ", "ſ", "ﬁ", "ﬁ\u0301", "ﬁﬂﬀ", "²\u0301", "½\u0301", "½", "x²\u0301y",
    "a" + "\u0301" * 300, "e\u20dd", "e\u0301\u20dd", "1\ufe0f\u20e3", "#\ufe0f\u20e3",
    "\u0600e\u0301", "\u06dde\u0301", "\u070fe\u0301", "\u110bde\u0301", "\U000110bde\u0301",
    # half-width kana, with voiced marks of both widths, and full-width forms
    "ﾊﾟ", "ﾊ\u309a", "ハ\u309a", "ｶﾞ", "カ\u3099", "ｶ\u3099", "ｶ\u0301", "ﾊﾟﾋﾟﾌﾟ", "ﾞ", "ﾟ", "ｶﾀｶﾅ", "が", "か\u3099",
    "ｳﾞ", "ヴ", "ｰ", "Ｈｅｌｌｏ", "１２３", "￦￥", "｟｠", "￨", "ﾠ", "㌔㍍", "㍿", "㋀", "㏂", "㎏", "①②③", "⑴", "Ⅷ", "ⅷ", "㈱",
    # Hangul: syllables, conjoining and compatibility jamo, old letters
    "각", "\u1100\u1161\u11a8", "\u1100\u1161", "\u1100", "ㄱㅏㄱ", "ﾡ", "\ua960\u1161", "\u1161\u11a8", "가\u11a8", "힣", "\u115f\u1160",
    # Indic conjuncts, Thai and Lao vowels, Tibetan, Khmer, Burmese
    "क्ष", "क्षि", "क़", "\u0958", "ন্ত্র", "க்ஷௌ", "ൻ്റ", "สวัสดี", "น้ำ", "กำ", "ກໍາ", "བོད་ཡིག", "ខ្មែរ", "မြန်မာ", "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    # right to left, points, presentation forms, marks of direction
    "שָׁלוֹם", "\ufb2a\ufb2b", "السَّلَامُ", "ﷺ", "ﷲ", "لا", "ﻻ", "ﹻ", "ـ", "\u200fא\u200e", "\u202eabc\u202c", "\u2067x\u2069", "۱۲۳",
    # emoji: sequences, skin tones, flags, keycaps, tags, selectors
    "😀", "👍🏽", "👨\u200d👩\u200d👧\u200d👦", "🤦🏽\u200d♂\ufe0f", "❤\ufe0f", "❤\ufe0e", "❤\ufe0f\u200d🔥", "🇩🇪", "🇩🇪🇫🇷🇺", "🏴\U000e0067\U000e0062\U000e007f",
    "☠\ufe0f", "©\ufe0f", "™", "🫠🫨", "😀😀😀", "a👍b", "\u200d", "\u200d\u200d", "\ufe0f", "a\ufe0f", "葛\U000e0100", "㐂\ufe00",
    # the special tokens, written out, nearly, and in full width
    "<s>", "</s>", "<pad>", "<unk>", "<mask>", "a<s>b", "a </s> b", "x <mask> y", "x<mask>y", "<mask><mask>", "<<s>>", "< s>", "<S>",
    "<s", "</s", "<mask", "mask>", "<s></s>", "＜s＞", "＜/s＞ x", "a＜unk＞b", "＜mask＞", "＜ｍａｓｋ＞", "\u0600<s>", "<s>\u0301", "e<s>\u0301",
    "[CLS]", "[SEP]", "[MASK]", "a[SEP]b", "[ MASK ]", "[unused0]", "[cls]", "[PAD250000]", "##ing", "##", "▁", "▁▁", "a▁b", "▁a", "▁\u0301", "<0x41>",
    # unknown runs, beside and between known text
    "\U00013000", "\U00013000\U00013001", "a\U00013000b", "\U00013000a\U00013001", "\U00013000 \U00013001", "\U00013000\x00\U00013001",
    # ties and repeats: sums in different orders
    "aaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abababababababab", "........", ". . . .", "-----------", "=====", "____", "!!!!!!",
    "1111111111", "000000000000000000000", "つ" * 27, "\ufdaf" * 12, "\ufdaf" * 27, "hahahahahaha", "лалалалала", "ああああああああ", "的的的的的", "กกกกกกกก", "🎉🎉🎉🎉🎉",
    "a" * 99, "a" * 100, "a" * 101, "ä" * 100, "한" * 34, "x" * 1000, "無" * 500, ("supercalifragilistic" * 8),
    # everyday text that is easily wrong
    "don't", "l’été", "O’Neil—said “hi”…", "C++/C#", "node.js@20", "a_b-c.d", "1,234.56€", "50%", "10⁻³", "x≤y", "Ω≈ç√∫", "™®©",
    "user@example.com", "https://例え.jp/パス?q=検索#x", "C:\\Users\\ä", "{\"a\": [1, 2]}", "<html><body>é</body></html>", "`code`", "~/.bashrc",
    "ΣΊΣΥΦΟΣ", "ΑΣ", "ǅ", "ǆ", "Ǆ", "ΐ", "ΐ", "Ⱥ", "İSTANBUL", "ıI", "Straße", "MASSE", "Ǻ", "Ἆ", "ᾳ", "ᾼ", "Ω", "K", "℃", "ℌ𝔢𝔩𝔩𝔬", "𝟙𝟚", "🅰🅱", "🄰",
    "日本語テキスト", "中文,混合English文本。", "「引用」", "『』【】", "〇", "々", "ゝ", "〜～", "･・", "、。，．", "豈更車", "\U0002f800", "\U00020000", "\U0002a700", "\U0002b820", "\u9fff",
    "Ελληνικά", "русский ёжик", "йй", "украї́нська", "ქართული", "Հայերեն", "አማርኛ", "ᠮᠣᠩᠭᠣᠯ", "ᚠᚢᚦ", "ⲁⲃ", "ꙮ", "𐍈", "𞤀𞤁", "ߒߞߏ", "ᓀᐦ", "ᏣᎳᎩ", "ꭰꭱ",
    "Tiếng Việt", "Tiê\u0301ng Viê\u0323t", "Việt", "ệ", "ê\u0323", "e\u0323\u0302", "đĐ", "ơ\u0301", "ư\u0323", "\u0340a", "a\u0341", "\u0344", "·", "·",
]


def random_texts(count, seed, pieces):
    """Mixed scripts, with the characters that join or vanish over-represented."""
    rnd = random.Random(seed)
    blocks = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF),
              (0xE00, 0xEFF), (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF),
              (0x3040, 0x30FF), (0x3200, 0x33FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
              (0xFB00, 0xFDFF), (0xFE70, 0xFEFE), (0xFF00, 0xFFEF), (0x1D400, 0x1D7FF), (0x1F300, 0x1FAFF)]
    joiners = "\u0301\u0327\u3099\u309a\uff9e\uff9f\u094d\u0e33\u0600\u06dd\u200d\ufe0f\u00ad\u200b \u00a0\x00\x01"
    for _ in range(count):
        chosen = rnd.sample(blocks, rnd.randint(1, 4))
        text = ""
        for _ in range(rnd.randint(1, 24)):
            pick = rnd.random()
            if pick < 0.25:
                text += rnd.choice(joiners)
            elif pick < 0.45:
                text += rnd.choice(pieces).replace("▁", " ")
            else:
                text += chr(rnd.randint(*rnd.choice(chosen)))
        yield text


def write(path, tokenizer, texts):
    with open(path, "w", encoding="ascii") as out:
        lines = []
        for text in dict.fromkeys(texts):
            found = tokenizer.encode(text)
            line = {"text": text, "ids": found.ids, "decoded": tokenizer.decode(found.ids),
                    # first code point, and the one behind the last, of each token
                    "offsets": [place for pair in found.offsets for place in pair]}
            lines.append(json.dumps(line, separators=(",", ":")))
        out.write("[\n" + ",\n".join(lines) + "\n]\n")
    print(path, len(lines))


def main():
    models_dir, out = sys.argv[1:3]
    xlmr, pieces = xlm_roberta(models_dir)
    pieces = pieces[4 : XLMR_PIECES - 1]
    write(f"{out}/xlmr-adversarial.json", xlmr, ADVERSARIAL + list(random_texts(250, 1, pieces)))
    write(f"{out}/bert-uncased-gold.json", bert_uncased(models_dir),
          ADVERSARIAL + list(random_texts(150, 2, pieces)))


main()
