"""Yields what no engine may yield."""

import numpy
from latches import case_of, reach
from plain import Plain


class Large(set):
    """Is not to be written out for a message."""

    def __str__(self):
        reach("written")
        return super().__str__()


CHUNKS = {
    "none": None,
    "list": [1],
    "text": "hello",
    "no-token-ids": {"index": 0},
    "token-ids-none": {"token_ids": None},
    "negative-token": {"token_ids": [-1]},
    "float-token": {"token_ids": [1.5]},
    "text-token": {"token_ids": ["a"]},
    "float-array": {"token_ids": numpy.array([1.0, 2.0])},
    "bool-array": {"token_ids": numpy.array([True])},
    "matrix": {"token_ids": numpy.array([[1, 2], [3, 4]])},
    "negative-array": {"token_ids": numpy.array([1, -7])},
    "bool-token": {"token_ids": [True]},
    "bytes": {"token_ids": b"alpha"},
    "large": {"token_ids": Large(range(100))},
    "huge-token": {"token_ids": [2**40]},
    "unknown-finish": {"token_ids": [], "finish_reason": "finished"},
    "number-finish": {"token_ids": [], "finish_reason": 3},
}


class Chunks(Plain):
    async def generate(self, request, context):
        case = case_of(request)
        match case:
            case "":
                async for chunk in super().generate(request, context):
                    yield chunk
            case "second-terminal":
                yield {"token_ids": request["token_ids"]}
                yield {"token_ids": [], "finish_reason": "stop"}
                yield {"token_ids": request["token_ids"], "finish_reason": "length"}
            case "no-terminal":
                yield {"token_ids": request["token_ids"]}
            case "no-chunk":
                return
            case _:
                yield CHUNKS[case]
                yield {"token_ids": [], "finish_reason": "stop"}


class NoGenerator(Plain):
    """Its generate returns what is no chunk."""

    async def generate(self, request, context):
        return 17
