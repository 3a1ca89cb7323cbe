"""What llama.cpp writes belongs to the call of the thread in which it writes it."""

import threading

import pytest

from dynamo_backend_common.engines.llama_cpp.binding import log
from dynamo_backend_common.engines.llama_cpp.binding.dry import Dry
from dynamo_backend_common.engines.llama_cpp.binding.library import library
from dynamo_backend_common.exceptions import InvalidArgument


def _in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _refusal(model, grammar):
    with pytest.raises(InvalidArgument) as caught:
        model.grammar(grammar)
    return str(caught.value)


@pytest.fixture
def meanwhile():
    """Has something done in another thread as soon as a line has come."""
    works = []

    def look(_):
        if works:
            _in_thread(works.pop())
        return True

    log.logger.addFilter(look)
    yield works.append
    log.logger.removeFilter(look)


def test_an_error_is_told_to_who_made_the_call(model, meanwhile):
    others = []

    def step():
        model.add(7, 0, 0, sample=False)
        model.decode()
        model.keep(0, 0)

    for work in (lambda: others.append(_refusal(model, "root ::= root")), step):
        meanwhile(work)
        assert "does not contain a 'root' symbol" in _refusal(model, 'other ::= "a"')
    assert len(others) == 1
    assert "left recursion" in others[0]


def test_calls_that_are_made_at_once_have_each_their_own_errors(model):
    begun, goes_on, theirs = threading.Event(), threading.Event(), []

    def call():
        with log.LOG.of_call() as made:
            begun.set()
            goes_on.wait()
        theirs.append(made.first_error)

    thread = threading.Thread(target=call)
    with log.LOG.of_call() as mine:
        thread.start()
        begun.wait()
        library().llama_sampler_init_grammar(model.vocabulary, b'other ::= "a"', b"root")
    goes_on.set()
    thread.join()
    assert "does not contain a 'root' symbol" in mine.first_error
    assert theirs == [""]


def test_the_first_error_is_what_a_call_failed_with():
    receiver = log.LlamaLog()
    with receiver.of_call() as call:
        receiver._receive(log._ERROR, b"a tensor is missing\n", None)
        receiver._receive(log._ERROR, b"failed to load\n", None)
    assert call.first_error == "a tensor is missing"


def test_a_line_goes_on_in_the_thread_that_began_it(caplog):
    receiver = log.LlamaLog()
    receiver._receive(log._ERROR, b"a tensor", None)
    _in_thread(lambda: receiver._receive(log._WARNING - 1, b"loaded\n", None))
    receiver._receive(log._CONTINUED, b"is missing\n", None)
    assert [record.message for record in caplog.records] == ["a tensor", "is missing"]


def test_warnings_are_withheld_from_the_thread_that_expects_them_only(model, caplog):
    def warn(word):
        # Of an empty breaker there is a warning.
        options = {"multiplier": 1.0, "base": 1.75, "allowed_length": 2, "window": 8}
        Dry(model.vocabulary, breakers=[word, ""], **options)

    with log.LOG.of_call(withholds_warnings=True):
        warn("a")
        assert not caplog.records
        _in_thread(lambda: warn("b"))
        assert "DRY sequence breaker" in caplog.text
    caplog.clear()
    warn("c")
    assert "DRY sequence breaker" in caplog.text
