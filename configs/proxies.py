"""Proxies that the environment names: never for this machine, and for buckets also when hidden."""

import os
from collections.abc import Mapping, MutableMapping
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
KINDS = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
PROXIES = tuple(name for kind in KINDS for name in (kind, kind.upper()))
HIDDEN = "FLAWCAST_USER_"  # the user's proxies, while services of our own run


def spare_loopback(environment: MutableMapping[str, str]) -> None:
    """Exempt this machine from the proxies that an environment names.

    Example:
        >>> environment = {"http_proxy": "http://proxy:3128", "no_proxy": "intranet"}
        >>> spare_loopback(environment)
        >>> environment["no_proxy"]
        'intranet,localhost,127.0.0.1,::1'
    """
    if not any(environment.get(name) for name in PROXIES if not name.lower().startswith("no_")):
        return
    spared = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = [host.strip() for host in spared.split(",") if host.strip()]
    if "*" not in hosts:
        hosts += [host for host in LOOPBACK if host not in hosts]
    for name in ("no_proxy", "NO_PROXY"):
        environment[name] = ",".join(hosts)


def hidden(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment's proxies under names that only `proxy_for` knows."""
    before = {name: value for name, value in environment.items() if name.startswith(HIDDEN)}
    found = {f"{HIDDEN}{name}": environment[name] for name in PROXIES if environment.get(name)}
    return before | found


def proxy_for(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The proxy for an address, of those that were hidden; None for no proxy.

    Example:
        >>> proxy_for("https://bucket", {"FLAWCAST_USER_https_proxy": "http://proxy:3128"})
        'http://proxy:3128'
    """
    names = {name.removeprefix(HIDDEN): value for name, value in environment.items()}
    parts = urlsplit(url)
    both = {
        kind: names.get(f"{kind}_proxy") or names.get(f"{kind.upper()}_PROXY") or ""
        for kind in (parts.scheme, "all", "no")
    }
    host = parts.hostname or ""
    if host in LOOPBACK or proxy_bypass_environment(host, {"no": both["no"]}):
        return None
    return both[parts.scheme] or both["all"] or None
