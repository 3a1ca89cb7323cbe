"""Uses the prompt in every way in which an engine may, and tells what it got."""

import array
import collections.abc
import copy
import json
import pickle

import numpy
from latches import reach
from plain import Plain

import dynamo_backend_common


def outcome(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__


class Prompts(Plain):
    async def generate(self, request, context):
        ids = request["token_ids"]
        plain = list(ids)
        view = memoryview(ids)
        checks = {
            "type": type(ids) is dynamo_backend_common.TokenIds,
            "sequence": isinstance(ids, collections.abc.Sequence),
            "no list": not isinstance(ids, list),
            "tolist": ids.tolist() == plain and type(ids.tolist()) is list,
            "ints": all(type(token) is int for token in ids),
            "length": len(ids) == len(plain) == 5,
            "index": [ids[0], ids[2], ids[-1]] == [plain[0], plain[2], plain[-1]],
            "numpy index": ids[numpy.int64(1)] == plain[1],
            "beyond": [outcome(lambda: ids[5]), outcome(lambda: ids[-6])] == ["IndexError"] * 2,
            "text": outcome(lambda: ids["a"]) == "TypeError",
            "slices": all(
                ids[part] == plain[part] and type(ids[part]) is list
                for start in (None, 0, 1, -2, 9)
                for stop in (None, 0, 3, -1, 9)
                for step in (None, 1, 2, -1, -2)
                for part in [slice(start, stop, step)]
            ),
            "in": plain[3] in ids and -1 not in ids and "a" not in ids and None not in ids,
            "equal": (ids == plain, plain == ids, ids == plain[:-1], ids == tuple(plain))
            == (True, True, False, False),
            "unequal": (ids != plain, ids != [*plain[:-1], -1]) == (False, True),
            "equal to itself": ids == ids,
            "unhashable": outcome(lambda: hash(ids)) == "TypeError",
            # RUF005 would have the lists unpacked, which is another thing.
            "sum": [ids + [1], [1] + ids, ids + ids] == [plain + [1], [1] + plain, plain + plain],  # noqa: RUF005
            "no sum": outcome(lambda: ids + (1,)) == "TypeError",  # noqa: RUF005
            "product": [ids * 2, 2 * ids] == [plain * 2] * 2,
            "unpacked": [*ids, 1] == [*plain, 1],
            "reversed": list(reversed(ids)) == plain[::-1],
            "sorted": sorted(ids) == sorted(plain),
            "methods": (ids.index(plain[2]), ids.index(plain[2], 1, 4), ids.count(plain[2]))
            == (plain.index(plain[2]), plain.index(plain[2], 1, 4), plain.count(plain[2])),
            "no index": outcome(lambda: ids.index(-1)) == "ValueError",
            "true": bool(ids),
            "repr": repr(ids) == f"TokenIds({plain})",
            "copies": [copy.copy(ids), copy.deepcopy(ids), pickle.loads(pickle.dumps(ids))]
            == [plain] * 3,
            "copies are lists": type(copy.copy(ids)) is type(copy.deepcopy(ids)) is list,
            "json": json.loads(json.dumps(request, default=list))["token_ids"] == plain,
            "json is told": outcome(lambda: json.dumps(request)) == "TypeError",
            "buffer": (view.format, view.itemsize, view.ndim, view.shape, view.strides)
            == ("l", 8, 1, (5,), (8,)),
            "buffer is read-only": view.readonly and outcome(lambda: view.__setitem__(0, 1)),
            "buffer has them": view.tolist() == plain and list(view[1:3]) == plain[1:3],
            "numpy": numpy.asarray(ids).tolist() == plain,
            "numpy type": numpy.asarray(ids).dtype == numpy.int64,
            "numpy as asked": numpy.array(ids, dtype=numpy.uint32).tolist() == plain
            and numpy.asarray(ids, dtype=numpy.int32).dtype == numpy.int32,
            "numpy copy": numpy.array(ids, copy=True).flags.writeable,
            "numpy iterated": numpy.fromiter(ids, dtype=numpy.int64).tolist() == plain,
            "numpy differences": (numpy.asarray(ids) - max(plain)).max() == 0,
            "numpy shares": numpy.shares_memory(numpy.asarray(ids), numpy.asarray(ids)),
            "numpy read-only": not numpy.asarray(ids).flags.writeable,
            "array": array.array("I", ids).tolist() == plain,
            "outlives": outlives(request),
        }
        reach("failed", json.dumps([name for name, holds in checks.items() if not holds]))
        yield {"token_ids": ids, "finish_reason": "stop"}


class AsList(Plain):
    """Says that it wants a list."""

    token_ids_as_list = True

    async def generate(self, request, context):
        ids = request["token_ids"]
        reach("prompt", json.dumps([type(ids).__name__, request]))
        yield {"token_ids": ids, "finish_reason": "stop"}


class AsAnything(Plain):
    token_ids_as_list = "yes"


def outlives(request):
    expected = list(request["token_ids"])
    left = memoryview(request.pop("token_ids"))
    return left.tolist() == expected
