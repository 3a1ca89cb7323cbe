"""A collector of spans: a real OTLP receiver, over gRPC and HTTP, on loopback ports of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from .ports import LOOPBACK
from .processes import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue

    from .tls import Certificates


@dataclass(frozen=True)
class Span:
    """A span as it was received; ids in hexadecimal, no parent: empty."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    failed: bool
    message: str
    attributes: dict[str, Any]
    events: dict[str, dict[str, Any]]
    """The attributes of each event by its name."""
    links: list[tuple[str, str]]
    """Trace and span that it points to."""


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Collects while it is entered. Logs that come beside the spans are taken and forgotten.

    Attributes:
        env: Has a process send here over gRPC.
        http_env: Has a process send here over HTTP, over HTTPS where ``tls`` is given.
    """

    def __init__(self, tls: Certificates | None = None) -> None:
        self._lock = Lock()
        self._spans: list[Span] = []
        self._server = grpc.server(ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(_Logs(), self._server)
        port = self._server.add_insecure_port(f"{LOOPBACK}:0")
        self.env = {
            "OTEL_EXPORT_ENABLED": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:{port}",
        }
        self._http = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        if tls is not None:
            self._http.socket = tls.for_server().wrap_socket(self._http.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.http_env = self.env | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{scheme}://{LOOPBACK}:{self._http.server_port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 (the service's own name)
        """Called by gRPC."""
        with self._lock:
            for resource in request.resource_spans:
                service = _attributes(resource.resource.attributes).get("service.name", "")
                for scope in resource.scope_spans:
                    self._spans += [_span(service, span) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
                    collector.Export(request, None)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    @property
    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._spans)

    def wait_for(self, wanted: Callable[[Span], bool], what: str) -> Span:
        """Waits for a span."""
        until(lambda: any(wanted(span) for span in self.spans), what)
        return next(span for span in self.spans if wanted(span))

    def __enter__(self) -> Collector:
        self._server.start()
        Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.stop(None).wait()
        self._http.shutdown()
        self._http.server_close()


class _Logs(logs_service_pb2_grpc.LogsServiceServicer):
    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 (the service's own name)
        return logs_service_pb2.ExportLogsServiceResponse()


def _span(service: str, span: Any) -> Span:
    return Span(
        service=service,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        message=span.status.message,
        attributes=_attributes(span.attributes),
        events={event.name: _attributes(event.attributes) for event in span.events},
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
