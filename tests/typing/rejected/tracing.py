"""What is wrong about spans and metadata. Each mark names the error of its line."""

from dynamo_backend_common import RequestContext


def trace(context: RequestContext) -> None:
    context.start_span("load", {"wrong": {}})  # error: dict-item
    context.current_span().set_attribute("wrong", None)  # error: arg-type
    context.current_span().set_status("bad")  # error: arg-type
    context.metadata = {"tenant": 7}  # error: dict-item
    context.span_id = "1"  # error: misc
