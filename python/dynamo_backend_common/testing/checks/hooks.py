"""The optional hooks of an engine that serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._core import HEALTH_CHECK_KEY
from ...exceptions import DynamoError
from ..check import Check, NotApplicable, Problem

if TYPE_CHECKING:
    from ..life import Life

_PAIRS = {
    "sleep": "wake_up",
    "release_memory_occupation": "resume_memory_occupation",
    "pause_generation": "resume_generation",
}
_NO_CONTROL = "no_such_control"
_NO_UPDATE = "no_such_update"
_OWN_UPDATE = "model_taints"


async def _probe(life: Life) -> None:
    try:
        payload = await life.within(life.driven.core.health_check_payload(), "health_check_payload")
    except DynamoError as error:
        raise Problem(f"health_check_payload failed: {error}") from error
    if payload is None:
        raise NotApplicable("health_check_payload returns None: the engine has no probe")
    if not isinstance(payload, dict):
        raise Problem(f"health_check_payload returns {type(payload).__name__}; it must be a dict")
    answer = await life.ask(payload | {HEALTH_CHECK_KEY: True}, what="the probe")
    if answer.error is not None:
        raise Problem(f"the probe is answered with an error: {life.told(answer)}")
    if isinstance(answer.reason, dict) or answer.reason in ("error", "cancelled"):
        raise Problem(f"the probe, which was not stopped, ends with {answer.reason!r}")


async def _controls(life: Life) -> None:
    try:
        names = await life.within(life.driven.core.supported_controls(), "supported_controls")
    except DynamoError as error:
        raise Problem(f"supported_controls: {error}") from error
    if not names:
        raise NotApplicable("it has no controls")
    for sleep, wake in _PAIRS.items():
        if sleep in names and wake not in names:
            raise Problem(f"it has {sleep!r} and no {wake!r}: no operator can wake it up again")
        if sleep in names:
            for name in (sleep, wake):
                await _succeeds(life, name)
            answer = await life.ask()
            if answer.error is not None:
                raise Problem(f"after {sleep} and {wake} a request fails: {life.told(answer)}")
    try:
        reply = await _control(life, _NO_CONTROL)
    except DynamoError:
        return
    if not _is_error(reply):
        raise Problem(f"a control that it does not have, {_NO_CONTROL!r}, succeeds: {reply!r}")


async def _succeeds(life: Life, name: str) -> None:
    try:
        validated = life.driven.core.validate_engine_control(name, {})
        await life.within(validated, f"validate_engine_control of {name!r}")
    except DynamoError as error:
        raise Problem(f"validate_engine_control of {name!r} refuses no options: {error}") from error
    try:
        reply = await _control(life, name)
    except DynamoError as error:
        raise Problem(f"the control {name!r} raises: {error}") from error
    if not isinstance(reply, dict):
        raise Problem(f"the control {name!r} replies {reply!r}; a reply is a dict")
    if _is_error(reply):
        raise Problem(f"the control {name!r} replies {reply!r}")


async def _control(life: Life, name: str) -> Any:
    return await life.within(life.driven.core.engine_control(name, {}), f"the control {name!r}")


def _is_error(reply: Any) -> bool:
    if not isinstance(reply, dict):
        return False
    return str(reply.get("status")).lower() == "error" or reply.get("success") is False


async def _updates(life: Life) -> None:
    core = life.driven.core
    try:
        names = await life.within(core.supported_updates(), "supported_updates")
    except DynamoError as error:
        raise Problem(f"supported_updates: {error}") from error
    if not names:
        raise NotApplicable("it has no updates")
    if _OWN_UPDATE in names:
        raise Problem(f"the update {_OWN_UPDATE!r} is the worker's own; give it another name")
    try:
        reply = await life.within(core.engine_update(_NO_UPDATE, {}), f"the update {_NO_UPDATE!r}")
    except DynamoError:
        return
    if not _is_error(reply):
        raise Problem(f"an update that it does not have, {_NO_UPDATE!r}, succeeds: {reply!r}")


async def _kv_events(life: Life) -> None:
    life.good_answer()
    if not life.kv:
        raise NotApplicable("it pushes no KV events")
    tokens = list(life.request["token_ids"])
    for prompt in (tokens, tokens, tokens[::-1], tokens[1:], tokens):
        await life.ask(life.request | {"token_ids": prompt})
    await life.ask(stop_at=1)
    problems = [problem for record in life.kv for problem in record.problems]
    if problems:
        raise Problem("; ".join(problems))


CHECKS = (
    Check(
        "probe",
        "the payload of health_check_payload is a request that it answers without an error",
        "return a small but complete request, such as testing.request([1],"
        " stop_conditions={'max_tokens': 1}); a probe has the key HEALTH_CHECK_KEY",
        _probe,
    ),
    Check(
        "controls",
        "the controls that put it to sleep and wake it return a dict, an unknown one fails, and"
        " after waking requests are served; others are not called",
        "have engine_control know each name of supported_controls, and raise InvalidArgument for"
        " any other",
        _controls,
    ),
    Check(
        "updates",
        "an update that it does not have fails, and none has a name of the worker's own; those that"
        " it has are not called",
        "have engine_update know each name of supported_updates, and raise InvalidArgument for any"
        " other",
        _updates,
    ),
    Check(
        "kv_events",
        "blocks are full, follow stored parents, and are removed at most as often as stored",
        "publish where the cache itself changes: publish_stored when a block is filled, and"
        " publish_removed once, when it is evicted",
        _kv_events,
    ),
)
