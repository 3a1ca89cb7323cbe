"""A written tokenizer gives llama.cpp's own ids, for every pre-tokenizer that is known."""

import json
import random

import pytest
from tokenizers import Tokenizer

from dynamo_backend_common.engines.llama_cpp.tokenizer.pretokenizers import KNOWN, pre_tokenizer
from dynamo_backend_common.engines.llama_cpp.tokenizer.tokenizer_files import tokenizer_json
from dynamo_backend_common.engines.llama_cpp.tokenizer.vocabulary import read_vocabulary
from dynamo_backend_common.exceptions import InvalidArgument
from support.gguf_writer import write_gguf
from support.llama_vocabulary import llama_vocabulary

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
_SIZE = 5000


@pytest.fixture(scope="module")
def texts():
    draw = random.Random(5)
    return [
        *_TEXTS,
        *("".join(draw.choices(_LETTERS, k=draw.randint(1, 60))) for _ in range(150)),
        *(
            " ".join(draw.choices(" ".join(_TEXTS).split(" "), k=draw.randint(1, 12)))
            for _ in range(100)
        ),
    ]


@pytest.fixture(scope="module")
def values(model_file):
    """A part of a real vocabulary: to load the whole for each name takes its time."""
    whole = model_file.metadata.values
    tokens = whole["tokenizer.ggml.tokens"][:_SIZE]
    there = set(tokens)
    return {
        **{key: value for key, value in whole.items() if not key.startswith("tokenizer.ggml")},
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": whole["tokenizer.ggml.token_type"][:_SIZE],
        "tokenizer.ggml.merges": [
            merge
            for merge in whole["tokenizer.ggml.merges"]
            if there.issuperset([merge.replace(" ", ""), *merge.split(" ")])
        ],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }


@pytest.fixture(scope="module")
def path(values, tmp_path_factory):
    return write_gguf(tmp_path_factory.mktemp("part") / "model.gguf", values)


def _tokenizer(values, **changes):
    changed = {f"tokenizer.ggml.{key}": value for key, value in changes.items()}
    vocabulary = read_vocabulary({**values, **changed})
    return Tokenizer.from_str(json.dumps(tokenizer_json(vocabulary)))


@pytest.mark.parametrize(
    "name", sorted(name for name, recipe in KNOWN.items() if recipe.byte_level)
)
def test_ids_are_llama_cpps_own(values, path, texts, name):
    tokenizer = _tokenizer(values, pre=name)
    with llama_vocabulary(path, pre=name) as own:
        for text in texts:
            found = tokenizer.encode(text, add_special_tokens=False).ids
            assert found == own.ids(text), repr(text)
        # What is put around a text, where the file does not say.
        assert tokenizer.encode("Hello").ids == own.ids("Hello", add_special=True)


def test_text_comes_back(model_file, texts):
    tokenizer = _tokenizer(model_file.metadata.values)
    for text in texts:
        tokens = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(tokens, skip_special_tokens=False) == text


def test_a_beginning_is_added_where_the_model_wants_one(values):
    tokenizer = _tokenizer(values, add_bos_token=True, add_eos_token=True)
    plain = tokenizer.encode("Hello", add_special_tokens=False).ids
    assert tokenizer.encode("Hello").ids == [1, *plain, 2]


def test_an_unknown_name_is_refused():
    with pytest.raises(
        InvalidArgument, match=r"pre-tokenizer 'new' .* known are a\.x-4\.0, .*youtu"
    ):
        pre_tokenizer("new")
