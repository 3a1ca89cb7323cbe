//! The one table: every variable that the worker, its command line and its engines read or set, and
//! those of Dynamo's own that matter to a worker, in the order in which the documentation has them.
//!
//! `NAME(KIND) = DEFAULT or OTHERWISE, [READ BY], HELP;`

use crate::variable::Kind::*;
use crate::variable::Reader::*;
use crate::variable::Variable;

macro_rules! variables {
    ($($name:ident($kind:expr) $(= $default:literal)? $(or $otherwise:literal)?,
        [$($reader:ident),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $name: Variable = Variable {
                name: stringify!($name),
                kind: $kind,
                default: [$(Some($default),)? None][0],
                otherwise: concat!($($otherwise)?),
                read_by: &[$($reader),*],
                help: $help,
            };
        )*

        /// Every variable.
        pub const ALL: &[Variable] = &[$($name),*];
    };
}

variables! {
    DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS(Seconds) = "5" or "`0` with `mem` discovery", [Worker],
        "the grace period: how long a shutdown goes on serving what frontends still send; up to a day, \
         negative is 0";
    DYN_WORKER_GRACEFUL_SHUTDOWN_TIMEOUT(WholeSeconds) = "30", [Worker, Runtime],
        "how long waiting, drain and cleanup may take together";
    DYN_PREFILL_DRAIN_TIMEOUT_S(Seconds) = "30", [Worker],
        "how long a prefill engine is asked whether it is quiescent";
    DYN_SLEEP_DRAIN_TIMEOUT_SECS(Seconds) = "30", [Worker],
        "how long requests in flight may take before an engine is put to sleep";
    DYN_DECODE_KEEP_TIMEOUT_SECS(Seconds) = "60", [Worker],
        "how long a decode worker keeps a stopped request that has no token yet \
         ([disaggregation.md](disaggregation.md))";
    DYN_CONNECT_TIMEOUT_SECS(Seconds) = "150", [Worker],
        "how long the worker goes on trying to connect; `0`: one attempt";

    DYN_DISCOVERY_BACKEND(Choice(&["etcd", "kubernetes", "file", "mem"]))
        or "`etcd` (`mem` with `--http-port`)", [CommandLine, Worker, Runtime],
        "where workers are registered";
    DYN_REQUEST_PLANE(Choice(&["tcp", "nats"])) or "`tcp`", [CommandLine, Runtime],
        "how requests travel";
    DYN_RESPONSE_PLANE(Choice(&["tcp", "quic"])) or "`tcp`", [CommandLine, Runtime],
        "how answers travel";
    DYN_EVENT_PLANE(Choice(&["nats", "zmq"])) or "`zmq`", [CommandLine, Runtime],
        "how KV events travel";
    ETCD_ENDPOINTS(Addresses) or "`http://localhost:2379`", [Worker, Runtime],
        "where etcd is, comma-separated; credentials in it move to the next two variables";
    ETCD_AUTH_USERNAME(Text), [Worker, Runtime],
        "user name for etcd";
    ETCD_AUTH_PASSWORD(Secret), [Worker, Runtime],
        "password of that user";
    ETCD_LEASE_TTL(WholeSeconds) or "`30`", [Runtime],
        "how long a lease lasts after the last sign of life of its worker";
    ETCD_KEEPALIVE_INTERVAL_SECONDS(WholeSeconds) or "`15`", [Runtime],
        "how often a connection to etcd is checked";
    ETCD_KEEPALIVE_TIMEOUT_SECONDS(WholeSeconds) or "`10`", [Runtime],
        "how long the answer to such a check may take";
    NATS_SERVER(Addresses) or "`nats://localhost:4222`", [Worker, Runtime],
        "where NATS is; needed if a plane uses it, connected to if set; credentials in it move to the \
         next three variables";
    NATS_AUTH_USERNAME(Text), [Worker, Runtime],
        "user name for NATS";
    NATS_AUTH_PASSWORD(Secret), [Worker, Runtime],
        "password of that user";
    NATS_AUTH_TOKEN(Secret), [Worker, Runtime],
        "token for NATS, instead of user name and password";
    NATS_STARTUP_CONNECT_TIMEOUT_SECONDS(WholeSeconds) or "`5`", [Worker, Runtime],
        "how long one attempt to connect to NATS may take";
    DYN_KUBE_DISCOVERY_MODE(Choice(&["pod", "container"])) or "`pod`", [Worker, Runtime],
        "`container` if each container of a pod is a worker";
    POD_NAME(Text) or "the file `pod_name` in `/etc/podinfo`", [Worker, Runtime],
        "name of the pod, from the downward API; for discovery `kubernetes`, as the next six";
    POD_UID(Text) or "the file `pod_uid` there", [Worker, Runtime],
        "the pod's UID";
    POD_NAMESPACE(Text) or "the file `pod_namespace` there", [Runtime],
        "the pod's namespace in Kubernetes";
    CONTAINER_NAME(Text), [Worker, Runtime],
        "name of the container, if each is a worker";
    KUBERNETES_SERVICE_HOST(Text), [Worker, Runtime],
        "the API server; Kubernetes sets it in a pod";
    KUBECONFIG(Path) or "`~/.kube/config`", [Worker, Runtime],
        "outside of a pod: a file with the API server and the credentials for it";
    DYN_FILE_KV(Path) or "a folder of temporary files", [Runtime],
        "folder of `file` discovery";

    DYN_TCP_RPC_HOST(Text) or "the first address that is not loopback (loopback with `mem` discovery)",
        [Worker, Runtime],
        "where requests come in: an address, a name of this machine, or one of its network interfaces; \
         the hosts below accept the same";
    DYN_TCP_RPC_PORT(WholeNumber) or "any free one", [Worker, Runtime],
        "port that requests come in on";
    DYN_TCP_RESPONSE_STREAM_HOST(Text) or "like `DYN_TCP_RPC_HOST`", [Worker, Runtime],
        "where a frontend in the process receives answers";
    DYN_EVENT_PLANE_HOST(Text) or "the first address that is not loopback (loopback with `mem` discovery)",
        [Worker, Runtime],
        "where others reach what is published over ZMQ; the port is open on all interfaces";
    DYN_TCP_TLS_CERT_PATH(Path), [Worker, Runtime],
        "PEM file of the certificate of the side that listens; with the key, it refuses connections \
         without TLS ([TLS](#tls))";
    DYN_TCP_TLS_KEY_PATH(Path), [Runtime],
        "PEM file of its key";
    DYN_TCP_TLS_CA_CERT_PATH(Path), [Worker, Runtime],
        "the authority with which the side that connects checks that certificate";
    DYN_TCP_TLS_SERVER_NAME(Text) or "the address connected to", [Runtime],
        "the name in the certificate";
    DYN_TCP_TLS_CLIENT_CERT_PATH(Path), [Worker, Runtime],
        "the certificate that the side that connects shows";
    DYN_TCP_TLS_CLIENT_KEY_PATH(Path), [Worker, Runtime],
        "its key";
    DYN_TCP_TLS_CLIENT_CA_CERT_PATH(Path), [Runtime],
        "the side that listens requires a client's certificate, signed by this authority";
    DYN_TCP_TLS_HANDSHAKE_TIMEOUT_SECS(WholeSeconds) or "`3`", [Runtime],
        "how long a handshake may take";
    DYN_TCP_TLS_INSECURE(Flag) or "`false`", [Worker, Runtime],
        "no certificate is checked; never in production";

    DYN_ENGINE_REQUEST_LIMIT(WholeNumber), [CommandLine, Worker],
        "requests that the engine has at a time, 1 or more ([more wait](#how-many-requests-at-a-time))";
    DYN_DYNAMO_REQUEST_QUEUE_LIMIT(WholeNumber) or "`16`", [CommandLine, Worker],
        "how many may wait for their turn; more are refused";
    DYN_REQUEST_QUEUE_TIMEOUT_SECS(Seconds), [CommandLine, Worker],
        "how long a request may wait for its turn before it is refused, above 0";
    DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS(WholeSeconds) or "`86400` with `--http-port`", [Frontend],
        "how long it takes until a frontend in the process warns of slow clients; how long they are \
         waited for follows from the shutdown's times";
    DYN_RUNTIME_INHIBITED_DURATION_SECS(WholeSeconds) or "`5` (`0` with `mem` discovery)",
        [Frontend],
        "how long a frontend avoids a worker that failed";
    DYN_RUNTIME_NUM_WORKER_THREADS(WholeNumber) or "the number of cores", [Runtime],
        "threads of the Rust side";

    DYN_SYSTEM_PORT(WholeNumber) = "-1", [CommandLine, Worker],
        "port of the system server; `0`: any free one, negative: none";
    DYN_SYSTEM_HOST(Text) = "127.0.0.1", [CommandLine, Worker],
        "its address";
    DYN_SYSTEM_LIVE_PATH(Text) or "`/live`", [CommandLine, Worker],
        "path of the liveness probe there";
    DYN_SYSTEM_HEALTH_PATH(Text) or "`/health`", [CommandLine, Worker],
        "path of the readiness probe there";
    DYN_SYSTEM_TOKEN(Secret), [Worker],
        "what `/engine/` then requires, as `Authorization: Bearer TOKEN`";
    DYN_SELF_HOST_METADATA(Flag) or "`true`", [Worker, Runtime],
        "frontends get the model's files from the system server, if other machines can reach it";
    DYN_HEALTH_CHECK_ENABLED(Flag) = "false", [CommandLine, Worker],
        "probe the engine while it is idle; `/health` shows the result";
    DYN_HEALTH_CHECK_PAYLOAD(Json) or "the engine's", [Worker],
        "the probe of the health canary: a JSON object, or `@` and the path of a file";
    DYN_HEALTH_CHECK_REQUEST_TIMEOUT(WholeSeconds) or "`3`", [CommandLine, Worker],
        "how long a probe may take";
    DYN_CANARY_WAIT_TIME(WholeSeconds) or "`10`", [CommandLine, Worker],
        "time without a finished request after which the engine is probed";

    DYN_NAMESPACE(Text) = "dynamo", [CommandLine],
        "discovery namespace";
    DYN_NAMESPACE_WORKER_SUFFIX(Text), [CommandLine],
        "appended to the namespace with a hyphen: the generation of a rolling update";
    DYN_COMPONENT(Text) = "backend", [CommandLine],
        "component in the namespace";
    DYN_ENDPOINT(Text) = "generate", [CommandLine],
        "endpoint that is served";
    DYN_MODEL_NAME(Text) = "", [CommandLine],
        "hub repository or local path of the model; empty: no tokenizer or template";
    DYN_SERVED_MODEL_NAME(Text) or "the engine's", [CommandLine],
        "public name of the model";
    DYN_MODEL_INPUT(Choice(&["Tokens", "Text", "Tensor"])) = "Tokens" or "the engine's", [CommandLine],
        "what the engine consumes";
    DYN_ENDPOINT_TYPES(Text) = "chat,completions", [CommandLine],
        "comma-separated: chat, completions; with `Text` also embedding, images, videos, audios, classify, \
         pooling, rerank; with `Tensor` tensor";
    DYN_CUSTOM_JINJA_TEMPLATE(Path) or "the model's", [CommandLine],
        "chat template that replaces the model's";
    DYN_TOOL_CALL_PARSER(Text), [CommandLine],
        "name of the frontend's parser of tool calls";
    DYN_REASONING_PARSER(Text), [CommandLine],
        "name of the frontend's parser of reasoning";
    DYN_DEFAULT_THINKING_MODE(Choice(&["enabled", "disabled"])) or "the chat template's", [CommandLine],
        "whether the model thinks when a request does not say";
    DYN_EXCLUDE_TOOLS_WHEN_TOOL_CHOICE_NONE(Flag) = "true", [CommandLine],
        "keep tools out of the prompt when the request chooses none";
    DYN_ENABLE_LOCAL_INDEXER(Flag) = "true", [CommandLine],
        "index KV blocks in the worker; never on an encode worker";
    DYN_ENABLE_KV_ROUTING(Flag) = "true", [CommandLine],
        "publish KV events and load for the router";
    DYN_KV_STATE_ENDPOINT(Text) or "the endpoint that is served", [CommandLine],
        "whose KV events the worker's are: `NAMESPACE.COMPONENT.ENDPOINT`";
    DYN_METRICS_LABELS(Pairs) = "", [CommandLine],
        "labels appended to the endpoint's metrics";
    DYN_DISAGGREGATION_MODE(Choice(&["Aggregated", "Prefill", "Decode", "Encode"])) = "Aggregated",
        [CommandLine],
        "the worker's part in disaggregated serving";
    DYN_ROUTE_TO_ENCODER(Flag) = "false", [CommandLine],
        "requests with media come by way of an encode worker";
    DYN_MEDIA_DECODER(Json) or "their URLs are handed on", [CommandLine],
        "media that a frontend decodes: a JSON object, or `@` and the path of a file";
    DYN_MEDIA_FETCHER(Json) or "Dynamo's rules", [CommandLine],
        "how a frontend fetches them: a JSON object, or `@` and the path of a file";
    DYN_STRUCTURAL_TAG_MODE(Choice(&["Off", "On"])) = "Off", [CommandLine],
        "guided decoding of tool calls by structural tags";
    DYN_STRUCTURAL_TAG_SCOPE(Choice(&["Auto", "Always"])) = "Auto", [CommandLine],
        "when structural tags apply";
    DYN_STRUCTURAL_TAG_SCHEMA(Choice(&["Auto", "Strict"])) = "Auto", [CommandLine],
        "how closely structural tags follow a tool's schema";
    DYN_STRUCTURAL_TAG_WITH_STRUCTURED_OUTPUT(Flag) = "false", [CommandLine],
        "tool calls are allowed beside a structured output";
    DYN_STRUCTURAL_TAG_EXCLUDE_SPECIAL_TOKENS(Flag) or "the frontend's choice", [CommandLine],
        "special tokens are kept out of structural tags";
    DYN_STRUCTURAL_TAG_REASONING_BOUNDARY(Choice(&["Auto", "StructuralTag", "Backend"])) = "Auto",
        [CommandLine],
        "who sees where reasoning ends before a structural tag";
    DYN_STRUCTURAL_TAG_ARGUMENTS_ANY_ORDER(Flag) = "false", [CommandLine],
        "a tool's arguments may come in any order";
    DYN_PARSER_VERSION(Choice(&["auto", "1", "2"])) or "`auto`", [Runtime, Frontend],
        "generation of the parsers of tool calls and reasoning, on workers and frontends alike; of the \
         structural tags all but mode, scope, schema and the boundary `StructuralTag` need `2`";

    DYN_TOPOLOGY_ENABLED(Flag) or "`false`", [Worker],
        "the card says where the worker is ([Topology](#taints-and-topology)); what is no flag is off, with a \
         warning";
    DYN_TOPOLOGY_MOUNT_PATH(Path) or "`/etc/dynamo/topology`", [Worker],
        "folder with a file for each domain, such as `zone`, whose content is the worker's value";
    DYN_KV_TRANSFER_DOMAIN(Text), [Worker],
        "the domain within which KV cache is handed over; needed with topology";
    DYN_KV_TRANSFER_ENFORCEMENT(Choice(&["required", "preferred"])) or "`required`", [Worker],
        "whether a router must stay in that domain, or only tries to";
    DYN_KV_TRANSFER_PREFERRED_WEIGHT(Number) or "the router's", [Worker],
        "from 0 to 1: how much it tries, with `preferred`";
    DYN_STABLE_ROUTING_ID(Text), [Runtime],
        "a name that the worker keeps when it is restarted, by which a router finds its cache";

    DYN_LOG(Text) = "info" or "`warn` on a terminal with `--http-port`", [Worker, Runtime],
        "filter of the log, such as `warn,dynamo_backend_worker=debug`";
    DYN_LOGGING_JSONL(Flag) or "`false`", [Worker, Runtime],
        "the log as lines of JSON ([observability.md](observability.md))";
    DYN_LOGGING_CONSOLE_FORMAT(Choice(&["readable", "jsonl"])) or "what `DYN_LOGGING_JSONL` says",
        [Worker, Runtime],
        "the form of the log";
    DYN_LOG_USE_LOCAL_TZ(Flag) or "`false`", [Worker, Runtime],
        "times in the log are local, and not UTC";
    OTEL_EXPORT_ENABLED(Flag) or "`false`", [Worker, Runtime],
        "export spans by OTLP ([observability.md](observability.md))";
    OTEL_EXPORTER_OTLP_ENDPOINT(Addresses) or "`http://localhost:4317`", [Worker, Runtime],
        "the OTLP collector";
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT(Addresses) or "`OTEL_EXPORTER_OTLP_ENDPOINT`", [Worker, Runtime],
        "the collector for spans";
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT(Addresses) or "`OTEL_EXPORTER_OTLP_ENDPOINT`", [Worker, Runtime],
        "the collector for the runtime's log";
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT(Addresses) or "`OTEL_EXPORTER_OTLP_ENDPOINT`", [Worker, Runtime],
        "the collector for metrics, always over gRPC";
    OTEL_EXPORTER_OTLP_PROTOCOL(Choice(&["grpc", "http/protobuf"])) or "`grpc`", [Worker, Runtime],
        "protocol for spans and log";
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL(Choice(&["grpc", "http/protobuf"]))
        or "`OTEL_EXPORTER_OTLP_PROTOCOL`", [Worker, Runtime],
        "protocol for spans";
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL(Choice(&["grpc", "http/protobuf"]))
        or "`OTEL_EXPORTER_OTLP_PROTOCOL`", [Worker, Runtime],
        "protocol for the log";
    OTEL_METRICS_EXPORTER(Text), [Worker, Runtime],
        "`otlp`: send metrics as well";
    OTEL_SERVICE_NAME(Text) = "dynamo", [Worker, Runtime],
        "name of the service in the spans";
    OTEL_TRACES_SAMPLE_RATIO(Number) or "all", [Worker, Runtime],
        "share of the traces that begin here that is exported, from 0 to 1";
    OTEL_BSP_SCHEDULE_DELAY(WholeNumber) or "`1000`", [Worker, Runtime],
        "milliseconds between exports";

    HOME(Path) or "the account's", [Worker, Runtime, Frontend],
        "where Dynamo keeps files of model cards (below)";
    TMPDIR(Path) or "`/tmp`", [Worker, Runtime],
        "folder of temporary files";
    HF_HOME(Path) or "`~/.cache/huggingface`", [Worker, Runtime],
        "where files of the Hugging Face hub are kept";
    HF_HUB_CACHE(Path) or "`hub` below `HF_HOME`", [Worker, Runtime],
        "the folder of the models' files, instead of the one in `HF_HOME`";
    MODEL_EXPRESS_CACHE_PATH(Path), [Worker, Runtime],
        "that folder, if Model Express fills it";
    XDG_CACHE_HOME(Path) or "`~/.cache`", [Worker, Runtime, LlamaCpp],
        "where `llama-cpp` keeps tokenizer files";
    OMP_WAIT_POLICY(Choice(&["passive", "active"])) = "passive", [LlamaCpp],
        "how `llama-cpp`'s threads wait";
    PROMETHEUS_MULTIPROC_DIR(Path), [Worker, Vllm],
        "where an engine of several processes keeps its metrics";
    VLLM_WORKER_MULTIPROC_METHOD(Choice(&["spawn", "fork"])) = "spawn", [Vllm],
        "how vLLM starts its processes";
    VLLM_RPC_BASE_PATH(Path) or "the folder of temporary files", [Vllm],
        "where the folder for vLLM's sockets is made";
    VLLM_MAX_NUM_BAD_WORDS(WholeNumber) or "vLLM's own", [Vllm],
        "how many bad words a request may have";
    VLLM_LOG_STATS_INTERVAL(Seconds) or "vLLM's own", [Vllm],
        "how often vLLM logs its statistics";
}
