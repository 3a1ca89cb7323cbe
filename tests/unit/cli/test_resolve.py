"""Engines from their names."""

from importlib.metadata import EntryPoint, distribution
from pathlib import Path
from typing import Any

import pytest

from dynamo_backend_common._core import RustEngine
from dynamo_backend_common.cli import resolve
from dynamo_backend_common.cli.failure import Failure, UsageError
from dynamo_backend_common.cli.resolve import make_engine

ENGINES = """
from collections.abc import Sequence

from dynamo_backend_common import Disconnected, InvalidArgument

class Plain:
    given = None
    async def start(self, worker_id): ...
    async def generate(self, request, context): yield {}
    async def cleanup(self): ...

class Optional(Plain):
    def __init__(self, model="small"):
        self.given = model

class FromArgs(Plain):
    @classmethod
    def from_args(cls, argv):
        engine = cls()
        engine.given = argv
        return engine

class TakesList(Plain):
    def __init__(self, options):
        self.given = options

class Wants(Plain):
    def __init__(self, layers, width=3, *more, heads, **other): ...

class Argv(Plain):
    def __init__(self, argv): ...

def wants(model: str): ...

def wants_more(argv, *, layers): ...

def factory():
    return Plain()

def taking(argv=()):
    return TakesList(argv)

def args(args, more=None):
    return TakesList(args)

def annotated(options: Sequence[str]):
    return TakesList(options)

def in_words(options: "list[str] | None" = None):
    return TakesList(options)

def refusing(argv):
    raise InvalidArgument(f"no such thing: {argv}")

def failing():
    raise Disconnected("the licence server is gone")

def broken():
    return {}["missing"]

instance = Plain()
number = 3

class Holder:
    inner = Plain
"""


@pytest.fixture(autouse=True)
def _engines(folder: Path) -> None:
    (folder / "my_engines.py").write_text(ENGINES)


def make(name: str, *argv: str) -> Any:
    return make_engine(f"my_engines:{name}", argv)


@pytest.mark.parametrize("name", ["Plain", "factory", "instance", "Holder.inner"])
def test_a_class_a_factory_an_instance(name: str) -> None:
    assert type(make(name)).__name__ == "Plain"


@pytest.mark.parametrize("name", ["FromArgs", "taking", "args", "annotated", "in_words"])
@pytest.mark.parametrize("argv", [(), ("--model", "x")])
def test_arguments_go_to_what_takes_them(name: str, argv: tuple[str, ...]) -> None:
    assert make(name, *argv).given == list(argv)


@pytest.mark.parametrize("name", ["Plain", "Optional", "factory", "instance"])
def test_arguments_that_nobody_takes(name: str) -> None:
    with pytest.raises(UsageError, match=f"engine 'my_engines:{name}' takes no arguments, .*'--x'"):
        make(name, "--x")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("TakesList", "'options'"),
        ("Wants", "'layers' and 'heads'"),
        ("Argv", "'argv'"),
        ("wants", "'model'"),
        ("wants_more", "'layers'"),
    ],
)
@pytest.mark.parametrize("argv", [(), ("--model", "x")])
def test_what_cannot_be_made_of_a_list_is_told_so(
    name: str, wanted: str, argv: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError) as raised:
        make(name, *argv)
    assert str(raised.value) == (
        f"engine 'my_engines:{name}' cannot be made without {wanted}; write a classmethod"
        " from_args(argv) for its class, or serve a function make(argv) that makes it: argv is"
        " the list of the arguments after '--'"
    )


def test_an_optional_parameter_keeps_its_default() -> None:
    assert make("Optional").given == "small"


def test_a_bundled_engine_by_its_name() -> None:
    assert isinstance(make_engine("echo", ["--delay", "0.5"]), RustEngine)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ecko", "unknown engine 'ecko' (did you mean 'echo'?); known: echo, llama-cpp, vllm; or"),
        ("my_engine:Plain", "no module named 'my_engine' (did you mean 'my_engines'?)"),
        ("my_engines.sub:Plain", "no module named 'my_engines.sub'"),
        (
            "my_engines:Plane",
            "module 'my_engines' has no attribute 'Plane' (did you mean 'Plain'?)",
        ),
        ("my_engines:number", "engine 'my_engines:number' is of type int, which has no method"),
        ("my_engines:", "engine 'my_engines:': write module:attribute"),
        ("my_engines.py:Plain", "'my_engines.py' is a file; write its module: my_engines"),
        ("./sub/my.py:Plain", "'./sub/my.py' is a file; write its module: sub.my"),
        ("my_engines:refusing", "engine 'my_engines:refusing': no such thing: []"),
    ],
)
def test_a_wrong_name_is_a_usage_error(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError) as raised:
        make_engine(name, [])
    assert str(raised.value).startswith(message)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import not_installed_anywhere",
            (
                "engine 'llama-cpp': No module named 'not_installed_anywhere'; to have it:"
                " pip install 'dynamo-backend-common[llama-cpp]'"
            ),
        ),
        ("raise ImportError('pip install it')", "engine 'llama-cpp': pip install it"),
        (
            "def make(): raise ImportError('no weights')",
            (
                "engine 'llama-cpp': no weights; to have it:"
                " pip install 'dynamo-backend-common[llama-cpp]'"
            ),
        ),
    ],
)
def test_an_installed_engine_whose_extra_is_missing(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    message: str,
) -> None:
    (folder / "lacking.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    point = EntryPoint("llama-cpp", "lacking:make", resolve.GROUP)
    vars(point)["dist"] = distribution("dynamo-backend-common")
    monkeypatch.setattr(resolve, "entry_points", lambda group: [point])
    with pytest.raises(Failure) as raised:
        make_engine("llama-cpp", [])
    assert str(raised.value) == message
    assert capsys.readouterr().err == ""


def test_an_engine_that_fails_as_dynamo_knows_it_needs_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(Failure, match="engine 'my_engines:failing': the licence server is gone"):
        make("failing")
    assert capsys.readouterr().err == ""


def test_an_error_of_the_users_code_shows_the_users_part_of_the_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(Failure, match="engine 'my_engines:broken' cannot be made: KeyError"):
        make("broken")
    shown = capsys.readouterr().err
    assert 'return {}["missing"]' in shown
    assert "resolve.py" not in shown


@pytest.mark.parametrize(
    ("code", "last"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named"),
        ("x = 1 / 0", "ZeroDivisionError: division by zero"),
        ("x = (", "SyntaxError: '(' was never closed"),
    ],
)
def test_an_error_while_importing_shows_the_users_part_of_the_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str], code: str, last: str
) -> None:
    (folder / "their_broken_engine.py").write_text(code)
    with pytest.raises(Failure, match=f"cannot be imported: {last.split(':')[0]}"):
        make_engine("their_broken_engine:Engine", [])
    shown = capsys.readouterr().err
    assert last in shown
    assert code in shown
    assert "importlib" not in shown
    assert "resolve.py" not in shown
