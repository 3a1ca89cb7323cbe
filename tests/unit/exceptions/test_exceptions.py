"""The kinds of errors and the built-in exceptions that they stand beside."""

import inspect
import pickle

import pytest

from dynamo_backend_common import DynamoError, exceptions

BASES = {
    "Unknown": DynamoError,
    "InvalidArgument": ValueError,
    "CannotConnect": ConnectionError,
    "Disconnected": ConnectionError,
    "ConnectionTimeout": TimeoutError,
    "ResponseTimeout": TimeoutError,
    "Cancelled": DynamoError,
    "EngineShutdown": DynamoError,
    "StreamIncomplete": DynamoError,
}


def test_there_is_a_class_for_every_kind_and_no_other() -> None:
    classes = dict(inspect.getmembers(exceptions, inspect.isclass))
    del classes["DynamoError"]
    assert classes.keys() == BASES.keys()


@pytest.mark.parametrize("name", BASES)
def test_a_class_is_named_as_its_kind(name: str) -> None:
    assert getattr(exceptions, name).kind == name


@pytest.mark.parametrize(("name", "base"), BASES.items())
def test_a_class_can_be_caught_by_both_bases(name: str, base: type[Exception]) -> None:
    kind = getattr(exceptions, name)
    with pytest.raises(DynamoError, match=r"^what went wrong$"):
        raise kind("what went wrong")
    with pytest.raises(base, match=r"^what went wrong$"):
        raise kind("what went wrong")


@pytest.mark.parametrize("name", BASES)
def test_an_error_survives_pickling(name: str) -> None:
    error = getattr(exceptions, name)("what went wrong")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == "what went wrong"


def test_the_base_class_is_of_the_kind_unknown() -> None:
    assert DynamoError("x").kind == "Unknown"
