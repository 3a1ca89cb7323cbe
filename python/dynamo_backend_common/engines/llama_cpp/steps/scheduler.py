"""One engine step at a time: what the model computes in it, and what comes out of it.

A request waits for a slot, then its prompt is read, but for what is in the context already, then it
produces output until it ends. A step computes the next token of every request that produces output,
all in one batch, and then pieces of prompts, each as a batch of its own: llama.cpp cuts a batch of
unequal parts at places that depend on all of them, and by the cut its rounding differs. So the
output of a request does not depend on who else is running.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..cache.kv_reports import KvUse
from .end_reason import end_reason
from .logprobs import TokenLogprobs
from .prefill import next_piece
from .sampling import make_sampler
from .token_limits import TokenLimits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ....messages import Chunk, Step
    from ..binding.model import Model
    from ..cache.prefix_cache import PrefixCache
    from .sequence import Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What the engine is busy with.

    Attributes:
        steps: Steps that were made so far.
        running: Requests that have a slot.
        waiting: Requests that wait for one.
        free_slots: Slots that nobody has.
    """

    steps: int
    running: int
    waiting: int
    free_slots: int


class Scheduler:
    """The requests of a model and the steps that serve them; belongs to one thread.

    Attributes:
        paused: Whether the last step had nothing to compute, though there are requests.
    """

    def __init__(self, model: Model, prefill_chunk: int, cache: PrefixCache) -> None:
        """Takes charge of ``model``.

        Args:
            model: The loaded model; nobody else may use it from now on.
            prefill_chunk: Tokens of prompts in a step at most while others produce output.
            cache: The slots of the model.
        """
        self._model = model
        self._prefill_chunk = prefill_chunk
        self._cache = cache
        self._waiting: deque[Sequence] = deque()
        self._reading: deque[Sequence] = deque()
        self._producing: list[Sequence] = []
        # Those that want no output: they need no slot.
        self._empty: list[Sequence] = []
        self._stages = (self._producing, self._reading, self._waiting, self._empty)
        self._steps = 0
        self.paused = False

    @property
    def load(self) -> Load:
        """What there is to do now; may be asked from any thread."""
        return Load(
            steps=self._steps,
            running=self._running,
            waiting=len(self._waiting),
            free_slots=self._cache.total - self._running,
        )

    @property
    def kv_use(self) -> KvUse:
        """What is in the KV cache now."""
        size = self._cache.block_size
        running = (*self._reading, *self._producing)
        return KvUse(
            total_blocks=self._model.total_tokens // size,
            used_blocks=sum(-(-sequence.decoded // size) for sequence in running),
            hit_rate=self._cache.hit_rate,
        )

    @property
    def idle(self) -> bool:
        """Whether there is no request."""
        return not any(self._stages)

    def add(self, sequence: Sequence) -> None:
        """Takes a request; it runs as soon as a slot is free."""
        stage = self._waiting if sequence.generation.options.max_tokens else self._empty
        stage.append(sequence)
        self.paused = False

    def step(
        self, *, cancelled: Collection[int] = (), stalled: Collection[int] = ()
    ) -> Iterator[Step]:
        """Frees what was cancelled, starts what waits, and runs the model.

        Args:
            cancelled: Streams of requests that nobody wants any more.
            stalled: Streams that take no output now; their requests keep their slots, and pause.

        Yields:
            The output of the step, as it is made: the end of a request is told only here.

        Raises:
            RuntimeError: llama.cpp failed.
        """
        self._drop(cancelled)
        self._start_waiting()
        producing = [each for each in self._producing if each.stream not in stalled]
        self.paused = not (self._empty or producing or self._reading or self.idle)
        while self._empty:
            empty = self._empty.pop()
            yield empty.stream, [], "length", empty.usage
        if producing or self._reading:
            self._steps += 1
            room = self._prefill_chunk if producing else self._model.max_num_batched_tokens
            yield from self._produce(producing)
            yield from self._read_prompts(room)

    def close(self) -> None:
        """Gives up every request."""
        for stage in self._stages:
            for sequence in stage:
                self._release(sequence)
            stage.clear()
        self._cache.clear()

    @property
    def _running(self) -> int:
        return len(self._reading) + len(self._producing)

    def _drop(self, cancelled: Collection[int]) -> None:
        for stage in self._stages if cancelled else ():
            for sequence in [each for each in stage if each.stream in cancelled]:
                stage.remove(sequence)
                self._release(sequence)

    def _start_waiting(self) -> None:
        while self._waiting and self._running < self._cache.total:
            sequence = self._waiting.popleft()
            sequence.sampler = make_sampler(sequence.generation, self._model)
            lists = sequence.generation.token_lists
            sequence.limits = None if lists is None else TokenLimits(lists)
            self._reading.append(sequence)

    def _produce(self, producing: list[Sequence]) -> Iterator[Step]:
        """Computes the next token of every request of ``producing``."""
        if not producing:
            return
        places = []
        for sequence in producing:
            place = self._model.add(
                sequence.last_token, sequence.decoded, sequence.slot, sample=True
            )
            sequence.decoded += 1
            places.append((sequence, place))
        self._model.decode()
        for sequence, place in places:
            yield self._advance(sequence, place)

    def _read_prompts(self, room: int) -> Iterator[Step]:
        """Reads pieces of prompts in turn, at most ``room`` tokens."""
        while self._reading:
            sequence = self._reading[0]
            if sequence.slot < 0:
                self._place(sequence)
            length = next_piece(sequence.prompt_left, self._prefill_chunk)
            if length > room:
                break
            room -= length
            place = self._read_piece(sequence, length)
            # Not before: if the model fails, it is among those that are told.
            self._reading.popleft()
            if sequence.prompt_left:
                self._reading.append(sequence)
            else:
                self._producing.append(sequence)
                yield self._advance(sequence, place)

    def _place(self, sequence: Sequence) -> None:
        """Gives a request its slot, with what is cached of its prompt; as late as possible.

        Of several that came at once, the later ones find what the first has read by then.
        """
        wanted = sequence.generation
        lease = self._cache.take(wanted.prompt, shares=wanted.shares_prefix)
        assert lease is not None
        if lease.source is not None:
            self._model.copy(lease.source, lease.slot)
        self._model.keep(lease.slot, lease.cached)
        sequence.slot, sequence.decoded = lease.slot, lease.cached
        sequence.cached = lease.cached if self._cache.enabled else None

    def _read_piece(self, sequence: Sequence, length: int) -> int:
        """Reads the next ``length`` tokens of a prompt; returns the last one's place."""
        prompt, start, place = sequence.generation.prompt, sequence.decoded, -1
        for position in range(start, start + length):
            last = position == len(prompt) - 1
            place = self._model.add(prompt[position], position, sequence.slot, sample=last)
        self._model.decode()
        sequence.decoded += length
        self._cache.read(sequence.slot, sequence.decoded)
        return place

    def _advance(self, sequence: Sequence, place: int) -> Step:
        """Chooses the next token of a request, and retires it when that was the last one."""
        generation, stream = sequence.generation, sequence.stream
        assert sequence.sampler is not None
        # Before any logit is forbidden: log probabilities are the model's own.
        wanted = generation.options.logprobs
        logprobs = None if wanted is None else TokenLogprobs(self._model, place)
        if sequence.produced < generation.options.min_tokens:
            self._model.forbid(place, generation.options.ends)
        if sequence.limits is not None:
            sequence.limits.apply(self._model.logits(place))
        token = self._model.sample(place, sequence.sampler)
        if sequence.limits is not None and token is not None:
            sequence.limits.took(token)
        reason = end_reason(token, generation, self._model)
        is_output = reason is None or token in generation.options.visible_ends
        tokens = [token] if token is not None and is_output else []
        sequence.last_token = -1 if token is None else token
        sequence.produced += len(tokens)
        if reason is None and sequence.produced >= generation.options.max_tokens:
            reason = "length"
        if reason is not None:
            self._producing.remove(sequence)
            self._release(sequence)
        # With the first token too: who ends the output early has that chunk only.
        tells_cached = sequence.produced == len(tokens) == 1 and sequence.cached is not None
        if reason is None and logprobs is None and not tells_cached:
            return stream, tokens
        if logprobs is None and reason is not None and token not in generation.options.asked_ends:
            return stream, tokens, reason, sequence.usage
        chunk: Chunk = {"token_ids": tokens}
        if tells_cached:
            chunk["completion_usage"] = sequence.usage
        if logprobs is not None and wanted is not None and tokens:
            sequence.cumulative_logprob += logprobs.of(tokens[0])
            chunk["log_probs"] = [logprobs.of(tokens[0])]
            chunk["cum_log_probs"] = sequence.cumulative_logprob
            chunk["top_logprobs"] = [logprobs.top(wanted)]
        if reason is not None:
            chunk["finish_reason"] = reason
            chunk["completion_usage"] = sequence.usage
            if token is not None and token in generation.options.asked_ends:
                chunk["stop_reason"] = token
        return stream, chunk

    def _release(self, sequence: Sequence) -> None:
        """Frees what a request holds; its slot keeps what others may begin with."""
        if sequence.sampler is not None:
            sequence.sampler.close()
            sequence.sampler = None
        if sequence.slot >= 0:
            self._model.keep(sequence.slot, self._cache.give_back(sequence.slot))
