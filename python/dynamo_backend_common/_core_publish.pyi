"""Types of the compiled core for publishing. At run time they are in `_core`."""

from asyncio import Future
from collections.abc import Iterable
from typing import SupportsIndex, final, overload

from .kv_events import BlockHash, BlockMmInfo, KvEvent

@final
class MetricsCore:
    """The metrics of the worker's endpoint, below `EndpointMetrics`."""

    @property
    def labels(self) -> list[tuple[str, str]]:
        """Names and values of the labels that the worker's gauges have."""

    def set_exposition(self, text: str) -> None:
        """Shows ``text`` with every scrape from now on."""

    def add_source(self) -> MetricsSource:
        """Adds a text that scrapes ask for; it is asked for at once."""

@final
class MetricsSource:
    """One text of the worker's metrics. What is called here never waits."""

    def fileno(self) -> int:
        """An eventfd: who reads it waits until the text is asked for, or closed."""

    def show(self, text: str) -> None:
        """Shows ``text`` from now on."""

    def failed(self) -> None:
        """It cannot be made this time: the last one stays."""

    def close(self) -> None:
        """Nobody is asked for it any more; the last one stays."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""

@final
class SnapshotPublisher:
    """Publishes the state of the KV cache of each rank: from any thread, without waiting.

    A push takes microseconds and may be made thousands of times a second. The gauges change at
    once; the router is sent each rank's latest value, every ten milliseconds at most, and again
    every two seconds for routers that came later. In a child that was forked from the worker's
    process a push raises `RuntimeError`.
    """

    def push(
        self,
        dp_rank: int,
        *,
        total_blocks: int,
        used_blocks: int,
        kv_cache_hit_rate: float | None = None,
    ) -> None:
        """Publishes the state of ``dp_rank``; a rank that was not declared is ignored.

        Args:
            dp_rank: Data-parallel rank.
            total_blocks: KV blocks of the rank.
            used_blocks: KV blocks in use.
            kv_cache_hit_rate: Part of the prompt tokens found in the cache, 0 to 1; None or NaN:
                not measured, so its gauge stays as it was, absent before the first measurement.

        Raises:
            OverflowError: A rank or a count of blocks is negative.
        """

@final
class AdapterCards:
    """Registers a card in discovery for each LoRA adapter that an engine has loaded.

    By such a card frontends serve an adapter as a model of its own: requests for it come with the
    adapter's name in ``request["routing"]["lora_name"]``. The cards leave discovery with the
    worker.

    What ``engine_update``, or a task that it starts, does by them is undone if the update fails;
    from then on they raise `Unknown` there.

    On the event loop's thread only; what the methods return is to be awaited. When the run is over
    they raise `EngineShutdown`.
    """

    def publish(self, name: str) -> Future[None]:
        """Registers the card of the adapter; one that is there stays.

        Raises:
            InvalidArgument: The name is empty, the model's own or an alias of it, or one that
                discovery cannot tell from another adapter's; or the worker's own card has a name
                only, without ``model_name``, so that no frontend would serve it.
        """

    def withdraw(self, name: str) -> Future[None]:
        """Takes the card of the adapter out of discovery; does nothing where there is none."""

@final
class KvPublisher:
    """Publishes the KV events of one rank: from any thread, without waiting for the network.

    What an engine does when its cache changes, here of blocks of 4 tokens::

        publisher.publish_stored([(11, [1, 2, 3, 4]), (12, [5, 6, 7, 8])])
        publisher.publish_stored([13, 14], tokens[8:16], parent_hash=12)
        publisher.publish_removed([12, 13, 14])

    A hash is the engine's own name for a block with everything in front of it: an int of 64 bits,
    signed or not, or a digest as bytes, of which the last 8 count. Tokens are a list, an array of
    integers or anything else that gives integers from 0 to 4294967295.

    What one thread publishes arrives in its order. A hash that is stored twice is there until it is
    removed twice. An engine may keep the publisher: when the run is over, after ``cleanup``, its
    methods check what they are given and do nothing more. In a child that was forked from the
    worker's process they raise `RuntimeError`.
    """

    @property
    def dp_rank(self) -> int:
        """The data-parallel rank whose events these are."""

    @property
    def block_size(self) -> int:
        """Tokens of one block: the engine's ``kv_cache_block_size``."""

    @overload
    def publish_stored(
        self,
        blocks: Iterable[tuple[BlockHash, Iterable[SupportsIndex]]],
        token_ids: None = None,
        *,
        parent_hash: BlockHash | None = None,
        block_mm_infos: Iterable[BlockMmInfo | None] | None = None,
        lora_name: str | None = None,
        cache_salt: str | None = None,
        is_eagle: bool | None = None,
    ) -> None:
        """Tells that blocks were stored, each behind the one before it.

        Args:
            blocks: (hash, tokens) of each block. Only whole blocks are published.
            token_ids: With this, ``blocks`` are the hashes alone, and these the tokens of all.
            parent_hash: The block that they stand behind; None: they begin a sequence.
            block_mm_infos: The images and videos of each block, None where there is none:
                ``[{"mm_objects": [{"mm_hash": 7, "offsets": [(0, 4)]}]}, None]``. None: no block
                has one.
            lora_name: The LoRA adapter that made them, as requests name it in
                ``request["routing"]["lora_name"]``. None or empty: the model itself.
            cache_salt: The cache salt of the requests that share them, which is
                ``request["routing"]["cache_namespace"]``. None or empty: they have none.
            is_eagle: Whether each block has ``block_size`` tokens and the first one of the block
                behind it, as for speculative decoding with Eagle; ``token_ids`` then has one token
                more than the blocks. None: it has not.

        Raises:
            InvalidArgument: A block has not ``block_size`` tokens, a token or a hash is none, or a
                hash is that of another block of the call or of the parent; or an argument has
                another type, or does not fit the blocks. It names the block or the argument, and
                nothing of the call is published.
        """

    @overload
    def publish_stored(
        self,
        blocks: Iterable[BlockHash],
        token_ids: Iterable[SupportsIndex],
        *,
        parent_hash: BlockHash | None = None,
        block_mm_infos: Iterable[BlockMmInfo | None] | None = None,
        lora_name: str | None = None,
        cache_salt: str | None = None,
        is_eagle: bool | None = None,
    ) -> None: ...
    def publish_removed(self, block_hashes: Iterable[BlockHash]) -> None:
        """Tells that blocks were removed, named by the hashes of `publish_stored`.

        One that was never stored is passed over.

        Raises:
            InvalidArgument: One is no hash; nothing of the call is published.
        """

    def publish_cleared(self) -> None:
        """Tells that all blocks of the rank were removed, however often each was stored."""

    def publish_batch(self, events: Iterable[KvEvent]) -> None:
        """Tells of several changes at once, in their order.

        They leave in one message, of up to 128 events and 8192 blocks; more are several messages.
        All of them are looked at before the first one is published::

            publisher.publish_batch([
                {"type": "removed", "block_hashes": [12]},
                {"type": "stored", "blocks": [(15, [9, 9, 9, 9])], "parent_hash": 11},
            ])

        Args:
            events: Dicts with a ``type``, ``stored``, ``removed`` or ``cleared``, and the arguments
                of `publish_stored` or `publish_removed` by their names.

        Raises:
            InvalidArgument: As those raise, with the number of the event; or a key is unknown.
                Nothing of the call is published.
        """
