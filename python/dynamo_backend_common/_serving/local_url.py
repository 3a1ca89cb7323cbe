"""Where a server of this machine is reached from this machine."""


def local_url(host: str, port: int) -> str:
    """The URL of what listens on ``host``, also where that is all addresses."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{local}]' if ':' in local else local}:{port}"
