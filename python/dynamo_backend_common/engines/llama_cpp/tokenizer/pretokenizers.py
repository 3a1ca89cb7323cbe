"""How a BPE vocabulary's text is split before merging, by the name that a GGUF file gives it.

Each recipe is the list of patterns that llama.cpp itself applies under that name, one after the
other: every match and every gap between matches is a piece of its own. The patterns are written for
the Oniguruma syntax of `tokenizer.json`. Only names whose recipe was compared with llama.cpp's own
token ids are here; guessing one would garble every prompt without an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ....exceptions import InvalidArgument

_CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_REST = rf" ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
_LINES = r"[^\n]+|\n+"


@dataclass(frozen=True, kw_only=True, slots=True)
class PreTokenizer:
    """A way to split text.

    Attributes:
        patterns: Patterns in the order in which they split.
        ignore_merges: Whether a piece that is a token as a whole is taken without merging.
        add_bos: Whether its models want a text's beginning marked, where their file does not say.
        byte_level: Whether the vocabulary has a character for each byte. Else it has the characters
            themselves, "▁" for a space, and bytes by names.
        whole_newlines: Whether newlines that are a token together are taken as that one; where
            no file can say otherwise, these models also have a text's beginning marked.
    """

    patterns: tuple[str, ...]
    ignore_merges: bool = False
    add_bos: bool = False
    byte_level: bool = True
    whole_newlines: bool = False

    def splits(self) -> list[dict[str, Any]]:
        """The splitting steps of the ``pre_tokenizer`` of `tokenizer.json`."""
        return [
            {
                "type": "Split",
                "pattern": {"Regex": pattern},
                "behavior": "Isolated",
                "invert": False,
            }
            for pattern in self.patterns
        ]


_PLAIN = PreTokenizer(patterns=(_GPT2,))
_DIGITS = PreTokenizer(patterns=(r"\p{N}", _GPT2))
_THREE_DIGITS = PreTokenizer(patterns=(rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}",))
_LLAMA3 = replace(_THREE_DIGITS, ignore_merges=True, add_bos=True)
_QWEN2_PATTERN = rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}|{_REST}"
_QWEN2 = PreTokenizer(patterns=(_QWEN2_PATTERN,))
_QWEN35 = PreTokenizer(
    patterns=(
        (
            rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
            rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}"
        ),
    )
)
_DEFAULT = PreTokenizer(patterns=(r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"))
_FALCON = PreTokenizer(patterns=(r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, r"[0-9][0-9][0-9]"))

_PUNCTUATED = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
_MARKED_WORDS = r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
_PUNCTUATION = rf"{_PUNCTUATED}|{_MARKED_WORDS}| ?[\p{{P}}\p{{S}}]+[\r\n]*|{_SPACES}"
_CHINESE_JAPANESE = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
# Its middle has spaces of other scripts, which are no letters.
_CHINESE_KOREAN = r"[\x{4e00}-\x{9fa5}\x{0800}-\x{4e00}\x{ac00}-\x{d7ff}&&[^\s]]+"
_DEEPSEEK_V3 = PreTokenizer(patterns=(r"\p{N}{1,3}", _CHINESE_JAPANESE, _PUNCTUATION))
_DEEPSEEK_CODER = PreTokenizer(
    patterns=(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _CHINESE_KOREAN, r"\p{N}")
)
# Letters that have a case, as they were when the model was made.
_CASED_LETTERS = (
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ"
    "-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹ"
    "ℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
)
_DEEPSEEK_LLM = PreTokenizer(
    patterns=(
        r"[\r\n]",
        rf"\s?[{_CASED_LETTERS}]+",
        "\\s?[!-/:-~！-／：-～‘-‟\u3001-。]+",
        r"\s+\z",
        _CHINESE_KOREAN,
        r"\p{N}+",
    )
)
_SPARK = PreTokenizer(
    patterns=(
        r"\p{N}{1,3}",
        _CHINESE_JAPANESE,
        rf"{_PUNCTUATED}|{_MARKED_WORDS}| ?[\p{{P}}\p{{S}}]+|[\r\n]|\s+(?!\S)|\s+",
        r"\p{N}",
    )
)


def _cased(letters: str, digits: str, contractions: str = "") -> str:
    """Words that split where lower case becomes upper case: of ``letters``, but ASCII's other."""
    upper, lower = rf"(?:(?={letters})[^a-z])", rf"(?:(?={letters})[^A-Z])"
    begin = r"[^\r\n\p{L}\p{N}]?"
    return (
        rf"{begin}{upper}*{lower}+{contractions}|{begin}{upper}+{lower}*{contractions}"
        rf"|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
    )


def _letters_and_marks(digits: str) -> str:
    """The same for llama.cpp's patterns in which a letter of either case is a letter of both."""
    word = rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+{_CONTRACTIONS}?"
    return rf"{word}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"


_THREE = r"\p{N}{1,3}"
_GPT4O = PreTokenizer(patterns=(_cased(r"\p{L}", _THREE, f"{_CONTRACTIONS}?"),))
_TEKKEN = PreTokenizer(patterns=(_cased(r"\p{L}", r"\p{N}"),), ignore_merges=True, add_bos=True)
_GRANITE_EMBED = PreTokenizer(
    patterns=(_cased(r"[\p{L}\p{M}]", _THREE, f"{_CONTRACTIONS}?"),), ignore_merges=True
)
# Threes from the right; what is before the first of them stays with it.
_THREES_FROM_THE_RIGHT = r"\P{N}*\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))"
_TINY_AYA = PreTokenizer(patterns=(_THREES_FROM_THE_RIGHT, _letters_and_marks(_THREE)))
_AFMOE = PreTokenizer(
    patterns=(
        _THREES_FROM_THE_RIGHT,
        (
            "[一-鿿㐀-䶿豈-\ufaff぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-\u0e7f\u0e80-\u0effក-\u17ff"
            "က-႟ꩠ-ꩿꧠ-\ua9ff가-\ud7afᄀ-ᇿ]+"
        ),
        _PUNCTUATION,
    )
)
_YOUTU = PreTokenizer(
    patterns=(
        "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-\u303f︰-\ufe4f]+|[ㄅ-ㄯ]+|[一-龥\u3040-ゟ゠-ヿ]+",
        _letters_and_marks(r"\p{N}"),
    ),
    ignore_merges=True,
)
_HAN = (
    r"\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{20000}-\x{2a6df}\x{2a700}-\x{2ebef}"
    r"\x{f900}-\x{faff}\x{2f800}-\x{2fa1f}"
)
_KIMI = PreTokenizer(
    patterns=(
        (
            rf"[{_HAN}]+|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}&&[^{_HAN}]]+{_CONTRACTIONS}?|\p{{N}}{{1,3}}"
            rf"|{_REST}"
        ),
    )
)
_BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"
_WHOLE_LINES = PreTokenizer(patterns=(_LINES,), byte_level=False)

_NAMES: dict[PreTokenizer, str] = {
    _DEFAULT: "default",
    _PLAIN: "gpt-2 phi-2 mpt olmo jais trillion granite-docling jina-es jina-de jina-v2-es"
    " jina-v2-de gigachat a.x-4.0 mellum modern-bert exaone4 jina-v1-en jina-v2-code roberta-bpe",
    _DIGITS: "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2",
    _LLAMA3: "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
    _THREE_DIGITS: "dbrx smaug-bpe chatglm-bpe",
    replace(_THREE_DIGITS, ignore_merges=True): "glm4 glm5",
    _QWEN2: "qwen2 deepseek-r1-qwen kormo f2llmv2 stablelm2 hunyuan solar-open megrez grok-2",
    _QWEN35: "qwen35",
    _FALCON: "falcon",
    _DEEPSEEK_V3: "deepseek-v3 hunyuan-dense joyai-llm hy_v4",
    _DEEPSEEK_CODER: "deepseek-coder",
    _DEEPSEEK_LLM: "deepseek-llm",
    _SPARK: "spark2_5",
    _GPT4O: "gpt-4o llama4 kanana2 talkie minimax-m2",
    _TEKKEN: "tekken",
    _GRANITE_EMBED: "granite-embed-multi-97m",
    _TINY_AYA: "tiny_aya cohere2moe",
    _AFMOE: "afmoe",
    _YOUTU: "youtu",
    _KIMI: "kimi-k2",
    PreTokenizer(patterns=(_BLOOM,)): "poro-chat bloom gpt3-finnish",
    PreTokenizer(patterns=(_BLOOM, r"\p{N}")): "viking",
    PreTokenizer(
        patterns=(
            "<sentinel:[0-9]+>",
            "(?:IMGIMG)(?:(?:A|B|C|D|E|F|G|H|I){1,4})Z",
            r"(?:[\t\n]|    |  )",
            r"\p{N}",
            r"[\p{P}!-/:-@\[-`{-~]",
            _GPT2,
        ),
        add_bos=True,
    ): "chameleon",
    PreTokenizer(patterns=(r"\p{N}+", r"(?=(?:[0-9]{3})+(?![0-9]))")): "superbpe",
    PreTokenizer(
        patterns=(
            (
                r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])"
                rf"|{_WORDS}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
            ),
        )
    ): "bailingmoe bailingmoe2 llada-moe",
    PreTokenizer(
        patterns=(rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{_SPACES}",)
    ): "seed-coder",
    PreTokenizer(patterns=(rf"{_WORDS}|\p{{N}}|{_REST}",)): "ufakzeka",
    PreTokenizer(patterns=(_LINES, _QWEN2_PATTERN)): "laguna",
    PreTokenizer(
        patterns=(
            (
                rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?(?:\p{{L}}\p{{M}}*(?: \p{{L}}\p{{M}}*)*)+"
                r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
            ),
        )
    ): "exaone-moe",
    PreTokenizer(
        patterns=(_THREE, rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}+|{_REST}"), ignore_merges=True
    ): "minicpm5",
    PreTokenizer(
        patterns=(
            rf"{_CONTRACTIONS}|{_WORDS}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|"
            + "|".join(rf"\s{{{count}}}(?!\S)" for count in (512, 256, 128, 64, 32, 16, 8, 4))
            + r"|\s{1,2}(?!\S)|\s{1}",
        )
    ): "jais-2",
    replace(_WHOLE_LINES, whole_newlines=True, add_bos=True): "gemma4 granite-embed-multi-311m",
    _WHOLE_LINES: "sarvam-moe",
}

KNOWN: dict[str, PreTokenizer] = {
    name: recipe for recipe, names in _NAMES.items() for name in names.split()
}
"""Name in ``tokenizer.ggml.pre`` to recipe."""


def pre_tokenizer(name: str) -> PreTokenizer:
    """The recipe of ``name``.

    Raises:
        InvalidArgument: It is not known; the message lists those that are.
    """
    try:
        return KNOWN[name]
    except KeyError:
        raise InvalidArgument(
            f"pre-tokenizer '{name}' (tokenizer.ggml.pre) is not known; known are "
            f"{', '.join(sorted(KNOWN))}. Give --model-name the model's own folder or hub name."
        ) from None
