"""The bundled engine, with a record of what it still does for a request that was stopped."""

import json

from latches import case_of, reach

from dynamo_backend_common import Steps
from dynamo_backend_common.engines.llama_cpp import LlamaCpp, engine


def ends(what, end):
    terminal = isinstance(what, dict) and "finish_reason" in what
    return bool(end) or terminal or isinstance(what, BaseException)


class WatchedSteps:
    """`Steps`, with who was stopped before a push that did not tell so, or got tokens after it."""

    def __init__(self):
        self.steps = Steps()
        self.contexts = {}
        self.cases = {}
        self.cancelled = set()
        self.late = 0
        self.untold = 0

    def open(self, context):
        stream = self.steps.open(context)
        self.contexts[stream.id] = context
        return stream

    def push(self, entries):
        return self._told(entries, self.steps.push)

    def wait(self):
        return self._told((), lambda _: self.steps.wait())

    def wake(self):
        self.steps.wake()

    def _told(self, entries, hand_over):
        stopped = {number for number, context in self.contexts.items() if context.is_stopped()}
        self.late += sum(number in self.cancelled for number, *_ in entries)
        report = hand_over(entries)
        ended = {number for number, what, *end in entries if ends(what, end)}
        self.untold += len(stopped - ended - set(report.cancelled))
        self.cancelled |= set(report.cancelled)
        for number in ended | set(report.cancelled):
            self.contexts.pop(number, None)
            if case := self.cases.pop(number, None):
                told = {"cancelled": number in report.cancelled}
                reach(f"{case}-ended", json.dumps(told))
        return report

    def fail(self, error):
        self.steps.fail(error)

    def __len__(self):
        return len(self.steps)


engine.Steps = WatchedSteps


class Counted(LlamaCpp):
    async def generate(self, request, context):
        stream = await super().generate(request, context)
        if case := case_of(request):
            self._steps.cases[stream.id] = case
        return stream

    async def cleanup(self):
        await super().cleanup()
        told = {"late": self._steps.late, "untold": self._steps.untold}
        reach("cancellation", json.dumps(told))
