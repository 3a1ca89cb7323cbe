"""A model with its context and its batch, typed.

Nothing here but what says so is safe to call from two threads at once: after loading, everything
belongs to the thread of the step loop.
"""

from __future__ import annotations

import ctypes
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument, Unknown
from .candidates import Candidates
from .devices import uses_gpu
from .dry import Dry
from .grammar import Grammar
from .host_memory import host_memory
from .library import library
from .log import LOG
from .parameters import context_parameters, model_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from mmap import mmap
    from pathlib import Path

    from ..options import Options
    from .adapter import Adapter
    from .sampler import Sampler


# Sequences that hold only what was read of earlier prompts, where they take no memory of their own.
_KEPT_SEQUENCES = 32
_ROUNDED = 256
# What llama_decode answers where there is no room, and where it was interrupted.
_NO_CELLS, _ABORTED = 1, 2


class NoCells(Exception):
    """The KV cache has no room for the batch; nothing has changed but that the batch is empty."""


class Interrupted(Exception):
    """`Model.interrupt` was called: the context is good for nothing any more but to be freed."""


class Model:
    """A loaded model with room for some sequences, and the batch of the step being built.

    Attributes:
        context_length: Tokens that one sequence may have.
        total_tokens: Tokens that all sequences may have together.
        max_num_seqs: Requests that may run at once.
        max_slots: Sequences that there are, numbered from 0; at least as many.
        max_num_batched_tokens: Tokens that fit into one batch.
        ubatch_size: Tokens of a batch that are computed at once.
        vocabulary: llama.cpp's own handle of the vocabulary.
        vocab_size: Number of tokens of the vocabulary.
        end_tokens: Tokens by which the model itself ends a text or its turn.
        is_encoder: Whether it has no decoder, and so makes no text.
        bos_token: Token that begins a text, or None.
        begin_token: The same, where a prompt must begin with it; else None.
        shares_cells: Whether all sequences share the cells of one KV cache.
        keeps_prefixes: Whether a part of a sequence can be kept, and copied: not where layers of
            the model are recurrent, or see only a window.
    """

    context_length: int
    shares_cells: bool
    keeps_prefixes: bool

    def __init__(
        self, path: Path, options: Options, proceed: Callable[[float], bool] = lambda _: True
    ) -> None:
        """Loads the file; takes its time, so call it in a thread.

        Args:
            path: The GGUF file.
            options: Sizes and threads.
            proceed: Called with the loaded part, 0 to 1; False gives up.

        Raises:
            InvalidArgument: llama.cpp cannot load the file, or not with these options, or the
                context is longer than the model was trained for.
            Unknown: There is no memory for a context of this size.
        """
        self._c = library()
        self._model: Any = None
        self._context: Any = None
        self._batch: Any = None
        self._freeing = threading.Lock()
        self._size = 0
        self._used: Adapter | None = None
        # A text of no length, until it is to be interrupted.
        self._interrupted = ctypes.create_string_buffer(2)
        try:
            self._load(path, options, proceed)
            self._open(path, options)
            self._make_interruptible()
        except BaseException:
            self.close()
            raise
        vocabulary = self._c.llama_model_get_vocab(self._model)
        self._memory = self._c.llama_get_memory(self._context)
        self.vocabulary = vocabulary
        self.is_encoder = not self._c.llama_model_has_decoder(self._model) or not self._memory
        self.total_tokens: int = self._c.llama_n_ctx(self._context)
        self.max_num_seqs = options.max_num_seqs
        self.max_slots: int = self._c.llama_n_seq_max(self._context)
        self.max_num_batched_tokens: int = self._c.llama_n_batch(self._context)
        self.ubatch_size: int = self._c.llama_n_ubatch(self._context)
        self.vocab_size: int = self._c.llama_vocab_n_tokens(vocabulary)
        ends = partial(self._c.llama_vocab_is_eog, vocabulary)
        self.end_tokens = frozenset(filter(ends, range(self.vocab_size))) - self._assumed_end()
        bos: int = self._c.llama_vocab_bos(vocabulary)
        self.bos_token = bos if bos >= 0 else None
        begins = self._c.llama_vocab_get_add_bos(vocabulary)
        # A file may not name it: llama.cpp then takes a token of BPE that is text.
        named = bos >= 0 and self._c.llama_vocab_is_control(vocabulary, bos)
        self.begin_token = bos if begins and named else None
        self._candidates = Candidates(self.vocab_size)
        self._batch = self._c.llama_batch_init(self.max_num_batched_tokens, 0, 1)

    def _assumed_end(self) -> set[int]:
        """The end that llama.cpp assumes of BPE where the file names none, though it is text."""
        value = ctypes.create_string_buffer(32)
        named = self._c.llama_model_meta_val_str(
            self._model, b"tokenizer.ggml.eos_token_id", value, len(value)
        )
        end: int = self._c.llama_vocab_eos(self.vocabulary)
        if named >= 0 or end < 0 or self._c.llama_vocab_is_control(self.vocabulary, end):
            return set()
        return {end}

    def _load(self, path: Path, options: Options, proceed: Callable[[float], bool]) -> None:
        callback = self._c.llama_progress_callback(lambda fraction, _: proceed(fraction))
        parameters = model_parameters(options, self._c)
        parameters.progress_callback = callback
        with LOG.of_call() as call:
            self._model = self._c.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise InvalidArgument(
                f"llama.cpp cannot load '{path}': {call.first_error or 'given up'}"
            )

    def _length(self, path: Path, options: Options) -> int:
        trained: int = self._c.llama_model_n_ctx_train(self._model)
        length = options.context_length_for(trained)
        if length > trained and not options.extends_context:
            raise InvalidArgument(
                f"context_length {length} is more than the {trained} tokens that '{path.name}' was "
                "trained for: give less, or scale positions (rope_scaling yarn, rope_scale "
                f"{-(-length // trained)})"
            )
        return length

    def _open(self, path: Path, options: Options) -> None:
        length = self._length(path, options)
        on_gpu = uses_gpu(options, self._c)
        parameters = context_parameters(options, self._c, on_gpu=on_gpu)
        parameters.n_ctx = options.total_tokens_for(length)
        parameters.kv_unified = self.shares_cells = options.kv_unified
        self.keeps_prefixes = not (
            self._c.llama_model_is_recurrent(self._model)
            or self._c.llama_model_is_hybrid(self._model)
            or self._c.llama_model_n_swa(self._model)
        )
        # A draft model has one for each request.
        shares = options.kv_unified and self.keeps_prefixes and options.model_draft is None
        more = _KEPT_SEQUENCES if shares else 0
        most = self._c.llama_max_parallel_sequences()
        parameters.n_seq_max = max(min(options.max_num_seqs + more, most), options.max_num_seqs)
        with LOG.of_call() as call:
            self._context = self._c.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise Unknown(
                f"llama.cpp cannot make a KV cache of {parameters.n_ctx} tokens "
                f"for {options.max_num_seqs} requests: {call.first_error or 'no memory'}"
            )
        # Rounded up as llama.cpp does it.
        whole: int = self._c.llama_n_ctx_seq(self._context)
        self.context_length = min(-(-length // _ROUNDED) * _ROUNDED, whole)

    def _make_interruptible(self) -> None:
        # It is asked some hundred times per token: by C's strlen, which needs no GIL and says
        # whether there is a text.
        is_interrupted = ctypes.cast(ctypes.CDLL(None).strlen, self._c.ggml_abort_callback)
        self._c.llama_set_abort_callback(
            self._context, is_interrupted, ctypes.addressof(self._interrupted)
        )

    def grammar(self, text: str) -> Grammar:
        """A grammar for outputs of this model; from any thread, but not after `close`.

        Raises:
            InvalidArgument: llama.cpp does not take it.
        """
        return Grammar(self.vocabulary, text)

    def dry(self, *, window: int, **options: Any) -> Dry:
        """DRY for outputs of this model; from any thread, but not after `close`.

        Args:
            window: Tokens that are looked back at; -1: all.
            options: The others of `Dry`, by name.
        """
        window = min(window, self.context_length) if window > 0 else self.context_length
        return Dry(self.vocabulary, window=window, **options)

    def add(self, token: int, position: int, sequence: int, *, sample: bool) -> int:
        """Puts a token into the batch.

        Args:
            token: The token.
            position: Its place in the sequence, from 0.
            sequence: The sequence's number.
            sample: Whether a token that follows it will be chosen.

        Returns:
            Its place in the batch, for `sample`.
        """
        batch, index = self._batch, self._size
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = sample
        self._size += 1
        return index

    def decode(self) -> None:
        """Runs the model over the batch and empties it.

        Raises:
            NoCells: There is no room for it in the KV cache that all sequences share.
            RuntimeError: llama.cpp refused it; the context is then in an unknown state.
            Interrupted: It was interrupted.
        """
        self._batch.n_tokens, self._size = self._size, 0
        with LOG.of_call(withholds_warnings=self.shares_cells) as call:
            code = self._c.llama_decode(self._context, self._batch)
        if code == _NO_CELLS and self.shares_cells:
            raise NoCells
        if code == _ABORTED:
            raise Interrupted
        if code != 0:
            raise RuntimeError(f"llama_decode answered {code}: {call.first_error or 'no details'}")

    def forbid(self, index: int, tokens: Iterable[int]) -> None:
        """Makes ``tokens`` impossible at a place of the batch that was decoded last."""
        logits = self._c.llama_get_logits_ith(self._context, index)
        for token in tokens:
            logits[token] = float("-inf")

    def logits(self, index: int) -> Any:
        """The numpy array of the logits at a place of the last batch; valid until `decode`."""
        import numpy as np  # a dependency of llama-cpp-python

        pointer = self._c.llama_get_logits_ith(self._context, index)
        return np.ctypeslib.as_array(pointer, (self.vocab_size,))

    def sample(self, index: int, sampler: Sampler) -> int | None:
        """Chooses the token that follows a place of the batch that was decoded last.

        Returns:
            The token; None: the grammar allows none of those that are not forbidden.
        """
        if sampler.grammar or not sampler.counts_impossible:
            return self._candidates.choose(self.logits(index), sampler)
        token: int = self._c.llama_sampler_sample(sampler.chain, self._context, index)
        return token

    def keep(self, sequence: int, count: int) -> None:
        """Leaves only the first ``count`` tokens in a sequence; more than 0 needs `keeps_prefixes`.

        Raises:
            RuntimeError: llama.cpp cannot cut the sequence there.
        """
        if not self._c.llama_memory_seq_rm(self._memory, sequence, count, -1):
            raise RuntimeError(f"llama_memory_seq_rm cannot cut sequence {sequence} at {count}")

    def copy(self, source: int, target: int) -> None:
        """Makes ``target`` a copy of the sequence ``source``; needs `keeps_prefixes`."""
        # Cells of its own llama.cpp replaces by copies, all of them; shared ones it adds.
        self._c.llama_memory_seq_rm(self._memory, target, -1, -1)
        self._c.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def state_size(self, sequence: int) -> int:
        """Bytes of what `save_state` makes."""
        size: int = self._c.llama_state_seq_get_size(self._context, sequence)
        return size

    def save_state(self, sequence: int) -> mmap | None:
        """A copy of a sequence in the host's memory; None: there is no room."""
        try:
            state = host_memory(self.state_size(sequence))
        except OSError:
            return None
        written = self._c.llama_state_seq_get_data(
            self._context, _bytes(state), len(state), sequence
        )
        return state if written == len(state) else None

    def restore_state(self, sequence: int, state: mmap) -> bool:
        """Makes a sequence what `save_state` has copied.

        Returns:
            False: there is no room for it in the KV cache that all share; the sequence is empty.
        """
        with LOG.of_call(withholds_errors=self.shares_cells):
            read = self._c.llama_state_seq_set_data(
                self._context, _bytes(state), len(state), sequence
            )
        return bool(read)

    def last_position(self, sequence: int) -> int:
        """The place of a sequence's last token; -1 where it is empty."""
        position: int = self._c.llama_memory_seq_pos_max(self._memory, sequence)
        return position

    def piece(self, token: int) -> bytes:
        """The text of a token, which need not be whole characters."""
        buffer = ctypes.create_string_buffer(256)
        length = self._c.llama_token_to_piece(self.vocabulary, token, buffer, len(buffer), 0, True)
        return buffer.raw[: max(length, 0)]

    def load_adapter(self, adapter: Adapter) -> None:
        """Reads an adapter's weights into memory; `use_adapter` then makes steps with it.

        Raises:
            InvalidArgument: llama.cpp cannot load it for this model.
        """
        with LOG.of_call() as call:
            handle = self._c.llama_adapter_lora_init(self._model, str(adapter.path).encode())
        if not handle:
            raise InvalidArgument(
                f"llama.cpp cannot load the LoRA adapter '{adapter.path}': "
                f"{call.first_error or 'no details'}"
            )
        adapter.handle = handle

    def unload_adapter(self, adapter: Adapter) -> None:
        """Frees an adapter that `load_adapter` loaded; no step is made with it any more."""
        # The context must not be left with what is freed.
        self.use_adapter(None)
        self._c.llama_adapter_lora_free(adapter.handle)
        adapter.handle = None

    def use_adapter(self, adapter: Adapter | None) -> None:
        """Makes every `decode` from now on one with ``adapter``; None: with none."""
        if adapter is self._used:
            return
        self._used = adapter
        if adapter is None:
            self._c.llama_set_adapters_lora(self._context, None, 0, None)
            return
        handles = (self._c.llama_adapter_lora_p_ctypes * 1)(adapter.handle)
        scales = (ctypes.c_float * 1)(adapter.scale)
        self._c.llama_set_adapters_lora(self._context, handles, 1, scales)

    def interrupt(self) -> None:
        """Makes `decode` give up, also the one that runs; from any thread."""
        self._interrupted.value = b"!"

    def close(self) -> None:
        """Frees everything; may be called again, and from another thread meanwhile."""
        with self._freeing:
            if self._batch is not None:
                self._c.llama_batch_free(self._batch)
            if self._context:
                self._c.llama_free(self._context)
            if self._model:
                self._c.llama_model_free(self._model)
            self._batch = self._context = self._model = None


def _bytes(state: mmap) -> Any:
    return ctypes.byref(ctypes.c_uint8.from_buffer(state))
