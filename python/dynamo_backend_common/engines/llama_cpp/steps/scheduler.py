"""One engine step at a time: what the model computes in it, and what comes out of it.

A request waits for a slot, then its prompt is read, but for what is in the context already, then it
produces output until it ends. A step computes the next token of every request that produces output,
all in one batch, and then pieces of prompts, each as a batch of its own: llama.cpp cuts a batch of
unequal parts at places that depend on all of them, and by the cut its rounding differs. So the
output of a request does not depend on who else is running. Drafts of the same length are a batch,
for the same reason. Only where all share the cells of one KV cache it does, see `Options`.

llama.cpp computes a batch with one LoRA adapter, or none: a step is for the requests of one of
them, and they take turns.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from ..binding.model import NoCells
from ..cache.kv_reports import KvUse
from .batches import equal_batches
from .counts import Counts
from .load import Load
from .output import as_step, choose
from .prefill import next_piece, reads_for_both
from .sampling import make_sampler
from .speculation import Speculation
from .token_limits import TokenLimits
from .turns import Turns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from collections.abc import Sequence as List

    from ....messages import Step
    from ..binding.adapter import Adapter
    from ..binding.model import Model
    from ..cache.prefix_cache import Lease, PrefixCache
    from .sequence import Sequence


class Scheduler:
    """The requests of a model and the steps that serve them; belongs to one thread.

    Attributes:
        paused: Whether the last step had nothing to compute, though there are requests.
    """

    def __init__(
        self,
        model: Model,
        prefill_chunk: int,
        cache: PrefixCache,
        *,
        counts: Counts | None = None,
        speculation: Speculation | None = None,
    ) -> None:
        """Takes charge of ``model``.

        Args:
            model: The loaded model; nobody else may use it from now on.
            prefill_chunk: Tokens of prompts in a step at most while others produce output.
            cache: The slots of the model.
            counts: Where it counts what it computes; None: of its own.
            speculation: Who makes drafts. None: nobody.
        """
        self._model = model
        # Of a longer piece llama.cpp could compute the last token alone, see `next_piece`.
        self._prefill_chunk = min(prefill_chunk, model.ubatch_size)
        self._cache = cache
        self._counts = Counts() if counts is None else counts
        self._waiting: deque[Sequence] = deque()
        self._reading: deque[Sequence] = deque()
        self._producing: list[Sequence] = []
        # Those that want no output: they need no slot.
        self._empty: list[Sequence] = []
        self._stages = (self._producing, self._reading, self._waiting, self._empty)
        self._turns: Turns[Adapter | None] = Turns()
        self._steps = 0
        # Whether somebody gave way to others since the last request ended.
        self._crowded = False
        self.paused = False
        self._speculation = speculation or Speculation()

    @property
    def load(self) -> Load:
        """What there is to do now; may be asked from any thread."""
        return Load(
            steps=self._steps,
            running=self._running,
            waiting=len(self._waiting),
            free_slots=self._model.max_num_seqs - self._running,
        )

    @property
    def kv_use(self) -> KvUse:
        """What is in the KV cache now."""
        size = self._cache.block_size
        running = (*self._reading, *self._producing)
        total = self._model.total_tokens // size
        # Of what requests share, each counts the whole.
        used = sum(-(-sequence.decoded // size) for sequence in running)
        return KvUse(
            total_blocks=total,
            used_blocks=min(used, total),
            hit_rate=self._counts.prefix_cache_hit_rate,
            saved_bytes=self._cache.saved_bytes,
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
            chunk = room = self._prefill_chunk
            if not producing:
                # Nobody is kept waiting: a prompt is read by as much as is computed at once.
                chunk, room = self._model.ubatch_size, self._model.max_num_batched_tokens
            adapter = self._turns.next(
                each.generation.adapter for each in (*producing, *self._reading)
            )
            self._model.use_adapter(adapter)
            yield from self._produce(_of(adapter, producing))
            yield from self._read_prompts(chunk, room, adapter)

    def uses(self, adapter: Adapter) -> bool:
        """Whether a request needs ``adapter``."""
        return any(_of(adapter, stage) for stage in self._stages)

    def load_adapter(self, adapter: Adapter) -> None:
        """Loads an adapter.

        Raises:
            InvalidArgument: llama.cpp cannot load it.
        """
        self._model.load_adapter(adapter)

    def unload_adapter(self, adapter: Adapter) -> None:
        """Frees an adapter that no request uses, and what was read with it."""
        for slot in self._cache.forget(adapter.name):
            self._model.keep(slot, 0)
        self._model.unload_adapter(adapter)

    def interrupt(self) -> None:
        """Makes the step that runs give up, and each from then on; from any thread."""
        self._model.interrupt()

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
        room = 0 if self._crowded and self._running else self._model.max_num_seqs
        while self._waiting and self._running < room:
            sequence = self._waiting.popleft()
            if sequence.sampler is None:
                sequence.sampler = make_sampler(sequence.generation, self._model)
                lists = sequence.generation.token_lists
                sequence.limits = None if lists is None else TokenLimits(lists)
            self._reading.append(sequence)

    def _produce(self, producing: list[Sequence]) -> Iterator[Step]:
        """Computes the next token of every request of ``producing``, and those behind a draft."""
        drafts = self._speculation.draft(producing)
        drafted = zip(producing, drafts, strict=True)
        for batch in equal_batches(drafted, lambda each: 1 + len(each[1]), self._model.ubatch_size):
            begun = monotonic()
            for sequence, draft, place in self._enter(batch):
                yield self._advance(sequence, place, draft)
            self._counts.tokens_predicted_seconds += monotonic() - begun

    def _enter(
        self, batch: List[tuple[Sequence, List[int]]]
    ) -> List[tuple[Sequence, List[int], int]]:
        """Computes what follows the newest token of each request, and its draft.

        Returns:
            The batch with the place of each newest token, without who gave way to the others.
        """
        while batch := [each for each in batch if each[0].slot >= 0]:
            # llama.cpp computes only those at once whose slots follow one another in the batch.
            in_order = sorted(batch, key=lambda each: each[0].slot)
            places = {each.stream: self._add(each, draft) for each, draft in in_order}
            try:
                self._model.decode()
            except NoCells:
                self._make_room()
                continue
            self._counts.n_decode += 1
            for sequence, _ in batch:
                sequence.decoded += 1
            return [(each, draft, places[each.stream]) for each, draft in batch]
        return []

    def _add(self, sequence: Sequence, draft: List[int]) -> int:
        """Puts a request's newest token and its draft into the batch; returns the place."""
        first = sequence.decoded
        place = self._model.add(sequence.last_token, first, sequence.slot, sample=True)
        for position, token in enumerate(draft, start=first + 1):
            self._model.add(token, position, sequence.slot, sample=True)
        return place

    def _read_prompts(self, chunk: int, room: int, adapter: Adapter | None) -> Iterator[Step]:
        """Reads an adapter's prompts in turn, at most ``room`` tokens in pieces of ``chunk``."""
        while mine := _of(adapter, self._reading):
            sequence = next(each for each in mine if not self._waits(each, mine))
            if sequence.slot < 0:
                self._place(sequence)
            length = next_piece(sequence.unread, chunk)
            if length > room:
                break
            try:
                place = self._read_piece(sequence, length)
            except NoCells:
                self._make_room()
                continue
            room -= length
            # Not before: if the model fails, it is among those that are told.
            self._reading.remove(sequence)
            if sequence.unread:
                self._reading.append(sequence)
                continue
            self._producing.append(sequence)
            # Who had given way has its newest token already.
            if not sequence.output:
                yield self._advance(sequence, place)

    def _waits(self, sequence: Sequence, reading: List[Sequence]) -> bool:
        """Whether another is about to read what ``sequence`` begins with: it takes that over."""
        if sequence.slot >= 0 or not self._cache.enabled or not sequence.generation.shares_prefix:
            return False
        size, prompt = self._cache.block_size, sequence.generation.prompt
        return any(
            reads_for_both(each.generation.prompt, each.decoded, prompt, size)
            for each in reading
            if each.slot >= 0 and each.generation.shares_prefix
        )

    def _place(self, sequence: Sequence) -> None:
        """Gives a request its slot, with what is cached of its prompt; as late as possible.

        Of several that came at once, the later ones find what the first has read by then.
        """
        wanted = sequence.generation
        lease = self._cache.take(
            wanted.prompt,
            shares=wanted.shares_prefix,
            adapter=wanted.adapter.name if wanted.adapter else None,
        )
        assert lease is not None
        if lease.source is not None:
            self._model.copy(lease.source, lease.slot)
        cached = lease.cached if lease.state is None else self._restore(lease)
        self._model.keep(lease.slot, cached)
        sequence.slot, sequence.decoded = lease.slot, cached
        # Who gave way to others is looked for again, and has been counted.
        if self._cache.enabled and sequence.cached is None:
            sequence.cached = cached
            self._counts.prefix_cache_queries += len(wanted.prompt)
            self._counts.prefix_cache_hits += cached
            self._counts.prompt_cache_hits += cached if lease.state is not None else 0
        if self._model.shares_cells and self._cache.copies:
            # Each step looks at all cells that are in use, those of idle slots too.
            while self._evict():
                pass

    def _restore(self, lease: Lease) -> int:
        """Restores what a lease tells; returns the tokens that are there then."""
        while not self._model.restore_state(lease.slot, lease.state):
            if not self._evict():
                self._cache.lose(lease.slot)
                return 0
        return lease.cached

    def _read_piece(self, sequence: Sequence, length: int) -> int:
        """Reads the next ``length`` tokens of a text; returns the last one's place."""
        begun = monotonic()
        text, start, place = sequence.text, sequence.decoded, -1
        for position in range(start, start + length):
            last = position == len(text) - 1 and not sequence.output
            place = self._model.add(text[position], position, sequence.slot, sample=last)
        self._model.decode()
        sequence.decoded += length
        self._cache.read(sequence.slot, sequence.decoded)
        self._speculation.read(sequence)
        self._counts.prompt_tokens += length
        self._counts.n_decode += 1
        self._counts.prompt_seconds += monotonic() - begun
        return place

    def _advance(self, sequence: Sequence, place: int, draft: List[int] = ()) -> Step:
        """Chooses the next tokens of a request, and retires it when these were the last."""
        output = choose(self._model, sequence, place, draft)
        sequence.decoded += output.accepted
        self._counts.n_draft_tokens += len(draft)
        self._counts.n_draft_accepted += output.accepted
        self._counts.tokens_predicted += len(output.tokens)
        if output.reason is not None:
            self._producing.remove(sequence)
            self._release(sequence)
        elif output.accepted < len(draft):
            self._model.keep(sequence.slot, sequence.decoded)
        return as_step(sequence, output)

    def _make_room(self) -> None:
        """Frees cells of the KV cache that all share.

        What is kept of earlier prompts goes first. Then who came last gives way: it waits until a
        request has ended, and its text is read once more.
        """
        if self._evict():
            return
        placed = [each for each in (*self._reading, *self._producing) if each.slot >= 0]
        if len(placed) == 1:
            raise RuntimeError("the KV cache has no room for a request that is alone")
        youngest = max(placed, key=lambda each: each.stream)
        (self._producing if youngest in self._producing else self._reading).remove(youngest)
        self._give_back(youngest)
        self._waiting.appendleft(youngest)
        self._crowded = True

    def _evict(self) -> bool:
        """Frees the cells of what is kept of an earlier prompt; False: there is none."""
        slot = self._cache.evict()
        if slot is not None:
            self._model.keep(slot, 0)
        return slot is not None

    def _release(self, sequence: Sequence) -> None:
        """Frees what a request holds; its slot keeps what others may begin with."""
        if sequence.sampler is not None:
            sequence.sampler.close()
            sequence.sampler = None
        self._crowded = False
        self._give_back(sequence)

    def _give_back(self, sequence: Sequence) -> None:
        self._speculation.forget(sequence)
        if sequence.slot >= 0:
            self._model.keep(sequence.slot, self._cache.give_back(sequence.slot))
            sequence.slot, sequence.decoded = -1, 0


def _of(adapter: Adapter | None, sequences: Iterable[Sequence]) -> list[Sequence]:
    return [each for each in sequences if each.generation.adapter is adapter]
