"""Methods that are misspelt, missing or no methods are named when a worker is made."""

from typing import Any

import pytest

from dynamo_backend_common import InvalidArgument, LLMEngine, Worker
from dynamo_backend_common._serving.hooks import check_hooks
from dynamo_backend_common.engines.llama_cpp.engine import LlamaCpp
from dynamo_backend_common.engines.vllm.engine import Vllm
from support.good_engines import GOOD
from support.wrong_engines import WRONG


def method(self: object) -> None: ...


def engine(**more: Any) -> Any:
    """One of three methods and of what is given."""
    required: dict[str, Any] = dict.fromkeys(("start", "generate", "cleanup"), method)
    members = {name: value for name, value in (required | more).items() if value is not None}
    return type("Mine", (), members)()


@pytest.mark.parametrize(
    ("written", "hook"),
    [
        ("supported_control", "supported_controls"),
        ("suported_controls", "supported_controls"),
        ("supportedControls", "supported_controls"),
        ("engine_controls", "engine_control"),
        ("supported_update", "supported_updates"),
        ("validate_engine_controls", "validate_engine_control"),
        ("is_quiesent", "is_quiescent"),
        ("is_quiescant", "is_quiescent"),
        ("isQuiescent", "is_quiescent"),
        ("set_up_metrics", "setup_metrics"),
        ("kv_events_source", "kv_event_sources"),
        ("kv_events_sources", "kv_event_sources"),
        ("healthcheck_payload", "health_check_payload"),
        ("on_adapters_card", "on_adapter_cards"),
        ("form_args", "from_args"),
        ("configur", "configure"),
        ("Drain", "drain"),
        ("wacth", "watch"),
        ("abbort", "abort"),
    ],
)
def test_a_misspelt_hook_is_named_with_the_one_that_was_meant(written: str, hook: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        Worker(engine(**{written: method}))
    assert str(raised.value) == (
        f"engine: Mine has a method {written}, which the worker does not call, and no {hook}:"
        f" rename it to {hook}; or begin its name with '_' if only the engine calls it"
    )


def test_one_that_the_base_class_has_by_default_is_not_there() -> None:
    required = dict.fromkeys(("start", "generate", "cleanup", "is_quiesent"), method)
    derived = type("Derived", (LLMEngine,), required)
    with pytest.raises(InvalidArgument, match=r"Derived has a method is_quiesent, .* no is_quies"):
        check_hooks(derived())


@pytest.mark.parametrize(
    "name",
    [
        "stop",
        "started",
        "starting",
        "restart",
        "drained",
        "drainer",
        "draining",
        "train",
        "reset",
        "controls",
        "control",
        "generate_one",
        "generated",
        "generator",
        "aborted",
        "about",
        "aborts",
        "watcher",
        "watched",
        "match",
        "batch",
        "patch",
        "latch",
        "cleanup_files",
        "metrics",
        "set_metrics",
        "config",
        "from_config",
        "from_env",
        "quiesce",
        "is_quiet",
        "quiescent",
        "health_check",
        "health",
        "sources",
        "events",
        "adapters",
        "cards",
        "engine",
        "run",
        "close",
        "name",
        "steps",
        "load",
    ],
)
def test_a_name_of_the_engines_own_is_let_through(name: str) -> None:
    Worker(engine(**{name: method}))


def test_what_is_no_method_and_what_is_beside_the_hook_are_let_through() -> None:
    Worker(engine(is_quiesent=True))
    both = {"supported_controls": method, "engine_control": method}
    Worker(engine(clean_up=method, supported_control=method, **both))
    Worker(engine(_supported_control=method, abort=None))


@pytest.mark.parametrize(
    ("written", "hook"),
    [("clean_up", "cleanup"), ("generates", "generate"), ("started", "start")],
)
def test_of_a_method_that_is_missing_the_near_miss_is_named(written: str, hook: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        Worker(engine(**{hook: None, written: method}))
    assert str(raised.value) == (
        f"engine: Mine has no method {hook}; an engine has start, generate and cleanup; rename"
        f" {written} to {hook}"
    )


def test_a_hook_that_is_no_method_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"supported_controls of Mine is \['sleep'\]; make"):
        Worker(engine(supported_controls=["sleep"]))


@pytest.mark.parametrize(
    ("says", "does"),
    [("supported_controls", "engine_control"), ("supported_updates", "engine_update")],
)
def test_who_names_what_it_supports_has_the_method_that_does_it(says: str, does: str) -> None:
    with pytest.raises(InvalidArgument, match=f"Mine has {says} and no {does}, which performs"):
        Worker(engine(**{says: method}))
    Worker(engine(**{says: method, does: method}))
    derived = dict.fromkeys(("start", "generate", "cleanup", says), method)
    Worker(type("Derived", (LLMEngine,), derived)())


async def _asynchronous(self: object) -> Any:
    yield


def _plain(self: object) -> Any:
    yield


@pytest.mark.parametrize("generator", [_asynchronous, _plain])
@pytest.mark.parametrize("hook", ["start", "cleanup", "drain"])
def test_only_generate_is_a_generator(hook: str, generator: Any) -> None:
    with pytest.raises(InvalidArgument, match=rf"Mine\.{hook} is a generator, which the worker"):
        Worker(engine(**{hook: generator}))
    Worker(engine(generate=generator))


def _without_its_constructor(kind: type) -> Any:
    return object.__new__(kind)


@pytest.mark.parametrize(
    "made",
    [
        *map(_without_its_constructor, (LlamaCpp, Vllm)),
        *(make() for make in GOOD),
        *(make() for make, _, _ in WRONG),
    ],
    ids=lambda made: type(made).__name__,
)
def test_nothing_is_said_of_ours(made: Any) -> None:
    check_hooks(made)
