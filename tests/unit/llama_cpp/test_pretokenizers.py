"""A written tokenizer gives llama.cpp's own ids, for every pre-tokenizer that is known."""

import json
import random

import pytest
from tokenizers import Tokenizer

from dynamo_backend_common.engines.llama_cpp.binding.library import library
from dynamo_backend_common.engines.llama_cpp.tokenizer.pretokenizers import KNOWN, pre_tokenizer
from dynamo_backend_common.engines.llama_cpp.tokenizer.tokenizer_files import tokenizer_json
from dynamo_backend_common.exceptions import InvalidArgument

_c = library()
_TEXTS = (
    "",
    "Hello world",
    "  leading and trailing  ",
    "a\n\nb\n \n c\r\nd\r\n\r\n",
    "tabs\t\tx\t y",
    "I'm you're WE'LL they'D it's' 'S 'LL",
    "1234567 12 3 3.14159 1,000,000 ٣٤٥ ½² Ⅷ①",
    "日本語のテキスト。漢字かな交じり文 한국어 텍스트입니다",
    "Привет, мир! Ёлка Ελληνικά العربية नमस्ते ไทย",
    "👩‍👩‍👧‍👦 emoji 😀😃",
    "def f(x):\n    return x**2  # comment\n\n\n",
    "<|im_start|>user\nhi<|im_end|>\n<|endoftext|><repo_name>",
    'x="y"; {a:[1,2]} ...!!!??? $100 €5 ^`~|+<=>',
    "\u00a0nbsp\u2003em\u3000wide e\u0301 é ﬁ \u017f K İ \u0131 ß",
    "a" * 300 + " " * 70 + "x" + "\n" * 20,
    "_under_score__x CamelCaseHTTPServer2Go https://ex.com/a?b=c&d=%20#e",
    "\x01\x7f\ufffd\u200bzero\u200dwidth\ufeff",
)
_LETTERS = [
    *"abc XYZ 019 \n\t\r'.,!?-_$#@()[]{}",
    *"éñßжщ中文字かな한글عरनไ😀🎉½²Ⅳ٣",
    "\u0301",
    "\u00a0",
    "\u2028",
]


@pytest.fixture(scope="module")
def texts():
    draw = random.Random(5)
    return [
        *_TEXTS,
        *("".join(draw.choices(_LETTERS, k=draw.randint(1, 60))) for _ in range(300)),
        *(
            " ".join(draw.choices(" ".join(_TEXTS).split(" "), k=draw.randint(1, 12)))
            for _ in range(150)
        ),
    ]


def _load_vocabulary(path, name):
    """The file's vocabulary in llama.cpp, with ``name`` as its pre-tokenizer."""
    overrides = (_c.llama_model_kv_override * 2)()
    overrides[0].tag = _c.LLAMA_KV_OVERRIDE_TYPE_STR
    overrides[0].key = b"tokenizer.ggml.pre"
    overrides[0].value.val_str = name.encode()
    parameters = _c.llama_model_default_params()
    parameters.vocab_only = True
    parameters.kv_overrides = overrides
    model = _c.llama_model_load_from_file(str(path).encode(), parameters)
    assert model
    return model


def _ids(vocabulary, text):
    data = text.encode()
    room = len(data) + 16
    tokens = (_c.llama_token * room)()
    count = _c.llama_tokenize(vocabulary, data, len(data), tokens, room, False, True)
    assert count >= 0
    return list(tokens[:count])


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_ids_are_llama_cpps_own(model_file, texts, name):
    values = {**model_file.metadata.values, "tokenizer.ggml.pre": name}
    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_json(values)))
    model = _load_vocabulary(model_file.path, name)
    try:
        vocabulary = _c.llama_model_get_vocab(model)
        for text in texts:
            found = tokenizer.encode(text, add_special_tokens=False).ids
            assert found == _ids(vocabulary, text), repr(text)
    finally:
        _c.llama_model_free(model)


def test_text_comes_back(model_file, texts):
    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_json(model_file.metadata.values)))
    for text in texts:
        tokens = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(tokens, skip_special_tokens=False) == text


def test_a_beginning_is_added_where_the_model_wants_one(model_file):
    values = {**model_file.metadata.values, "tokenizer.ggml.add_bos_token": True}
    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_json(values)))
    plain = tokenizer.encode("Hello", add_special_tokens=False).ids
    assert tokenizer.encode("Hello").ids == [1, *plain]


def test_an_unknown_name_is_refused():
    with pytest.raises(
        InvalidArgument, match=r"pre-tokenizer 'bloom' .* known are chatglm-bpe, .*tekken"
    ):
        pre_tokenizer("bloom")
