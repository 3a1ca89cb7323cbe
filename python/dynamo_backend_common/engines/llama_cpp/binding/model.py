"""A model with its context and its batch, typed.

Nothing here is safe to call from two threads at once: after loading, everything belongs to the
thread of the step loop.
"""

from __future__ import annotations

import ctypes
from functools import partial
from typing import TYPE_CHECKING, Any

from ....exceptions import InvalidArgument, Unknown
from .library import library
from .log import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ..options import Options
    from .sampler import Sampler

_PHYSICAL_BATCH = 512
_FLASH_ATTENTION_OFF = 0


class Model:
    """A loaded model with room for some sequences, and the batch of the step being built.

    Attributes:
        context_length: Tokens that one sequence may have.
        total_tokens: Tokens that all sequences may have together.
        max_num_seqs: Sequences that fit at once, numbered from 0.
        max_num_batched_tokens: Tokens that fit into one batch.
        vocab_size: Number of tokens of the vocabulary.
        end_tokens: Tokens by which the model itself ends a text or its turn.
        bos_token: Token that begins a text, or None.
        begin_token: The same, where a prompt must begin with it; else None.
        keeps_prefixes: Whether a part of a sequence can be kept, and copied: not where layers of
            the model are recurrent, or see only a window.
    """

    def __init__(
        self, path: Path, options: Options, proceed: Callable[[float], bool] = lambda _: True
    ) -> None:
        """Loads the file; takes its time, so call it in a thread.

        Args:
            path: The GGUF file.
            options: Sizes and threads.
            proceed: Called with the loaded part, 0 to 1; False gives up.

        Raises:
            InvalidArgument: llama.cpp cannot load the file, or the context is longer than the
                model was trained for.
            Unknown: There is no memory for a context of this size.
        """
        self._c = library()
        self._model: Any = None
        self._context: Any = None
        self._batch: Any = None
        self._size = 0
        try:
            self._load(path, options, proceed)
            self._open(path, options)
        except BaseException:
            self.close()
            raise
        vocabulary = self._c.llama_model_get_vocab(self._model)
        self._memory = self._c.llama_get_memory(self._context)
        self._vocabulary = vocabulary
        self.context_length: int = self._c.llama_n_ctx_seq(self._context)
        self.total_tokens: int = self._c.llama_n_ctx(self._context)
        self.max_num_seqs: int = self._c.llama_n_seq_max(self._context)
        self.max_num_batched_tokens: int = self._c.llama_n_batch(self._context)
        self.vocab_size: int = self._c.llama_vocab_n_tokens(vocabulary)
        ends = partial(self._c.llama_vocab_is_eog, vocabulary)
        self.end_tokens = frozenset(filter(ends, range(self.vocab_size))) - self._assumed_end()
        bos: int = self._c.llama_vocab_bos(vocabulary)
        self.bos_token = bos if bos >= 0 else None
        begins = self._c.llama_vocab_get_add_bos(vocabulary)
        # A file may not name it: llama.cpp then takes a token of BPE that is text.
        named = bos >= 0 and self._c.llama_vocab_is_control(vocabulary, bos)
        self.begin_token = bos if begins and named else None
        self.keeps_prefixes = not (
            self._c.llama_model_is_recurrent(self._model)
            or self._c.llama_model_is_hybrid(self._model)
            or self._c.llama_model_n_swa(self._model)
        )
        self._batch = self._c.llama_batch_init(self.max_num_batched_tokens, 0, 1)

    def _assumed_end(self) -> set[int]:
        """The end that llama.cpp assumes of BPE where the file names none, though it is text."""
        value = ctypes.create_string_buffer(32)
        named = self._c.llama_model_meta_val_str(
            self._model, b"tokenizer.ggml.eos_token_id", value, len(value)
        )
        end: int = self._c.llama_vocab_eos(self._vocabulary)
        if named >= 0 or end < 0 or self._c.llama_vocab_is_control(self._vocabulary, end):
            return set()
        return {end}

    def _load(self, path: Path, options: Options, proceed: Callable[[float], bool]) -> None:
        callback = self._c.llama_progress_callback(lambda fraction, _: proceed(fraction))
        parameters = self._c.llama_model_default_params()
        parameters.n_gpu_layers = options.gpu_layers
        parameters.progress_callback = callback
        LOG.last_error = ""
        self._model = self._c.llama_model_load_from_file(str(path).encode(), parameters)
        if not self._model:
            raise InvalidArgument(f"llama.cpp cannot load '{path}': {LOG.last_error or 'given up'}")

    def _open(self, path: Path, options: Options) -> None:
        trained: int = self._c.llama_model_n_ctx_train(self._model)
        length = options.context_length_for(trained)
        if length > trained:
            raise InvalidArgument(
                f"context_length {length} is more than the {trained} tokens that '{path.name}' was "
                "trained for"
            )
        parameters = self._c.llama_context_default_params()
        parameters.n_ctx = length * options.max_num_seqs
        parameters.n_batch = options.max_num_batched_tokens
        parameters.n_ubatch = min(options.max_num_batched_tokens, _PHYSICAL_BATCH)
        parameters.n_seq_max = options.max_num_seqs
        parameters.n_threads = parameters.n_threads_batch = options.threads
        # Automatic flash attention gives other tokens than the class Llama, which has it off.
        parameters.flash_attn_type = _FLASH_ATTENTION_OFF
        LOG.last_error = ""
        self._context = self._c.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise Unknown(
                f"llama.cpp cannot make a context of {length} tokens for each of "
                f"{options.max_num_seqs} sequences: {LOG.last_error or 'no memory'}"
            )

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
            RuntimeError: llama.cpp refused it; the context is then in an unknown state.
        """
        self._batch.n_tokens, self._size = self._size, 0
        LOG.last_error = ""
        code = self._c.llama_decode(self._context, self._batch)
        if code != 0:
            raise RuntimeError(f"llama_decode answered {code}: {LOG.last_error or 'no details'}")

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

    def sample(self, index: int, sampler: Sampler) -> int:
        """Chooses the token that follows a place of the batch that was decoded last."""
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
        # Sequences have cells of their own here: llama.cpp copies all of them, or refuses.
        self._c.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def last_position(self, sequence: int) -> int:
        """The place of a sequence's last token; -1 where it is empty."""
        position: int = self._c.llama_memory_seq_pos_max(self._memory, sequence)
        return position

    def piece(self, token: int) -> bytes:
        """The text of a token, which need not be whole characters."""
        buffer = ctypes.create_string_buffer(256)
        length = self._c.llama_token_to_piece(self._vocabulary, token, buffer, len(buffer), 0, True)
        return buffer.raw[: max(length, 0)]

    def close(self) -> None:
        """Frees everything; may be called again."""
        if self._batch is not None:
            self._c.llama_batch_free(self._batch)
        if self._context:
            self._c.llama_free(self._context)
        if self._model:
            self._c.llama_model_free(self._model)
        self._batch = self._context = self._model = None
