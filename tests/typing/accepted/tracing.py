"""What an engine may write to the spans of its requests."""

from dynamo_backend_common import RequestContext, Span


def trace(context: RequestContext) -> str | None:
    with context.start_span("load", {"blocks": 8, "from": ["disk", "host"], "hit": True}) as span:
        span.add_event("looked up")
        span.set_attribute("sizes", (1, 2))
        inner: Span = span.start_span("read", attributes=None)
        inner.set_status("error", "no room")
        inner.end()
    context.current_span().set_attribute("rate", 0.5)
    context.metadata["stage"] = "prefill"
    context.metadata = {"stage": "decode"}
    other = context.detached("other")
    other.stop_generating()
    return other.parent_span_id or context.span_id
