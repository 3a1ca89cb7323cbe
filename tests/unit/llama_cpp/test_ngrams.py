"""Drafts by the request's own n-grams, against a search through the whole text."""

import random

import pytest

from dynamo_backend_common.engines.llama_cpp.request.generation import read_request
from dynamo_backend_common.engines.llama_cpp.steps.ngrams import NGramDrafter
from dynamo_backend_common.engines.llama_cpp.steps.sequence import Sequence


def _sequence(prompt, output=()):
    generation = read_request(
        {"token_ids": list(prompt)},
        context_length=1000,
        vocab_size=100,
        end_tokens=frozenset(),
        defaults={},
    )
    sequence = Sequence(generation, 1)
    sequence.output.extend(output)
    return sequence


def _draft(drafter, sequence, most=100):
    [draft] = drafter.draft([(sequence, most)])
    return draft


@pytest.mark.parametrize(
    ("prompt", "output", "most", "draft"),
    [
        ([1, 2, 3, 4, 5, 6, 7], [1, 2], 100, [3, 4, 5, 6]),
        ([1, 2, 3, 4, 5, 6, 7], [1, 2], 2, [3, 4]),
        # The last occurrence counts.
        ([1, 2, 3, 9, 1, 2, 4, 9], [1, 2], 2, [4, 9]),
        # It may lie across prompt and output.
        ([5, 1], [2, 3, 9, 1, 2], 2, [3, 9]),
        # A repetition goes on.
        ([8, 9, 8, 9, 8], [9], 100, [8, 9, 8, 9]),
        ([7, 7], [7], 100, [7, 7, 7, 7]),
        ([1, 2, 3, 4], [5], 100, []),
        # Nothing followed the newest tokens, as these are their only occurrence.
        ([1], [2], 100, []),
        ([1], [], 100, []),
    ],
)
def test_what_followed_is_the_draft(prompt, output, most, draft):
    drafter = NGramDrafter(size_n=2, size_m=4)
    assert _draft(drafter, _sequence(prompt, output), most) == draft


def _searched(tokens, size_n, size_m):
    for place in range(len(tokens) - 1, size_n - 1, -1):
        if tokens[place - size_n : place] == tokens[-size_n:]:
            longer = list(tokens)
            for source in range(place, place + size_m):
                longer.append(longer[source])
            return longer[len(tokens) :]
    return []


def test_as_a_search_finds_it_while_the_text_grows():
    chance = random.Random(5)
    drafter = NGramDrafter(size_n=3, size_m=5)
    sequences = [_sequence(chance.choices(range(3), k=9)) for _ in range(20)]
    found = 0
    for _ in range(30):
        for sequence in sequences:
            sequence.output.extend(chance.choices(range(3), k=chance.randint(1, 4)))
            draft = _draft(drafter, sequence)
            assert draft == _searched(sequence.tokens_from(0), 3, 5)
            found += bool(draft)
    assert found > 100


def test_who_has_left_is_forgotten():
    drafter = NGramDrafter(size_n=2, size_m=4)
    gone, here = _sequence([1, 2, 3, 1], [2]), _sequence([4, 5, 6, 4], [5])
    assert drafter.draft([(gone, 1), (here, 1)]) == [[3], [6]]
    drafter.forget(gone)
    drafter.forget(gone)
    assert list(drafter._histories) == [here]
