"""Texts in which tokenizers differ, for comparing two of them."""

from __future__ import annotations

from hypothesis import strategies as st

_LETTERS = (
    *"abc XYZ 019 \n\t\r'.,!?-_$#@()[]{}<>|~`^=+\"\\/",
    *"éñßжщ中文字かな한글가각힣عरनไ😀🎉½²Ⅳ٣①İ„…。、ﬁｱ㍿▁",
    *"\u017f\u0131\u212a\u2019\u2013\u0301\u0327\u0903\u0338\u00a0\u2028\u3000\x85\u200b\u200d\ufeff\ufffd\x01\x7f",
)
_PARTS = (
    *("hello", "Hello", " the", "'ll", "'S", "http://", "banana", "aaaa", "\n\n\n", "\r\n", "   "),
    *("<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "<0x41>", "<0x0A>", "  \n", "▁▁"),
    *("[CLS]", "[UNK]", "[MASK]", "[PAD1]", "<extra_id_0>", "<|turn>", "<eos>", "<bos>", "1234567"),
    *("e\u0301", "नमस्ते", "👩‍👩‍👧‍👦", "日本語", "текст"),
)
STRINGS = st.lists(st.sampled_from((*_LETTERS, *_PARTS)), max_size=40).map("".join)
"""Single texts."""
MANY_STRINGS = st.lists(STRINGS, min_size=10, max_size=40)
"""Enough of them to be worth an example of their own."""
