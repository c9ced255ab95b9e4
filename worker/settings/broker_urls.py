"""The URL of the broker, parsed and validated as a whole."""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from pydantic import SecretStr

from worker.domain.deliveries.celery_destination import CeleryDestination
from worker.domain.deliveries.destination import parse_destination
from worker.settings.urls import Parts, clean, parse

_FORM: Final = "redis://:password@host:6379/0, rediss://…, sentinel://… or amqp://user:password@host:5672/vhost"
# Valkey speaks Redis's protocol, and the client library knows only that name.
_SAME: Final = {
    "valkey": "redis",
    "valkeys": "rediss",
    "valkey+socket": "redis+socket",
    "redis+unix": "redis+socket",
    "unix": "redis+socket",
    "redis+ssl": "rediss",
    "redis+tls": "rediss",
}
_REDIS: Final = ("redis", "rediss")
_BROKERS: Final = (*_REDIS, "redis+socket", "sentinel", "amqp", "amqps", "pyamqp", "memory")
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS: Final = ("ssl_cert_reqs", "ssl_check_hostname", *_FILES)
_CERT_REQS: Final = ("required", "optional", "none")
_AMQP: Final = ("heartbeat", "connect_timeout")
# Celery passes all parameters on, and fails with a TypeError on unknown ones.
_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "rediss": _TLS,
    "sentinel": _TLS,
    "redis+socket": ("virtual_host",),
    "amqp": _AMQP,
    "pyamqp": _AMQP,
    "amqps": ("ssl_cert_reqs", *_FILES, *_AMQP),
}


def broker_url(text: str) -> str:
    """Return a broker URL in Celery's form. Raises ValueError with the correct form."""
    text = clean(text.strip().rstrip(";"), _FORM)
    return ";".join(_broker(each) for each in text.split(";") if each)


def named_brokers(given: Mapping[str, SecretStr]) -> dict[str, SecretStr]:
    """Return brokers with their URLs in Celery's form. Raises ValueError with the correct form."""
    for name in given:
        if not re.fullmatch(r"[a-z0-9_-]{1,63}", name, re.ASCII):
            raise ValueError(f"{name[:63]!r} is not a broker's name: 1 to 63 lower-case letters, digits, - and _")
    return {name: SecretStr(_named(name, url.get_secret_value())) for name, url in given.items()}


def _named(name: str, url: str) -> str:
    try:
        return broker_url(url)
    except ValueError as error:
        raise ValueError(f"the URL of {name!r}: {error}") from None


def check_brokers(destinations: Iterable[str], known: Collection[str]) -> None:
    """Refuse destinations on brokers that have no URL. Raises ValueError."""
    for destination in destinations:
        target = parse_destination(destination)
        if isinstance(target, CeleryDestination) and target.broker and target.broker not in known:
            raise ValueError(
                f"{destination} is on the broker {target.broker!r}, which RENDERWATCH_BROKERS does not name"
            )


def _broker(text: str) -> str:
    parts = parse(text, _FORM)
    scheme = _SAME.get(parts.scheme, parts.scheme)
    if scheme not in _BROKERS:
        raise ValueError(f"{scheme} is not supported; write {_FORM}")
    if len(parts.hosts) > 1 or "://" in parts.path:
        raise ValueError("for several hosts, separate several URLs with semicolons: redis://host1/0;redis://host2/0")
    if scheme in (*_REDIS, "sentinel") and not re.fullmatch(r"(/\d*)?", parts.path):
        raise ValueError(
            "what follows the host is the number of a Redis database: redis://:password@host:6379/0"
            + ("; the master's name goes into RENDERWATCH_BROKER_TRANSPORT_OPTIONS" if scheme == "sentinel" else "")
        )
    query = _query(scheme, parts)
    return f"{scheme}://{parts.at}{parts.hosts[0]}{parts.path}" + (f"?{query}" if query else "")


def _query(scheme: str, parts: Parts) -> str:
    given = dict(parts.parameters)
    known = _PARAMETERS.get(scheme, ())
    if unknown := given.keys() - set(known):
        may = f"; there are {', '.join(known)}" if known else ""
        tls = "; for TLS write rediss://" if scheme == "redis" and any("ssl" in name for name in unknown) else ""
        named = [name for name in sorted(unknown) if re.fullmatch(r"\w{1,40}", name)]
        raise ValueError(f"it has a parameter that means nothing here ({', '.join(named)}){may}{tls}")
    for name in _AMQP:
        if name in given and not re.fullmatch(r"\d{1,5}", given[name]):
            raise ValueError(f"{name} is a number of seconds")
    for name in _FILES:
        if name in given and not os.access(given[name], os.R_OK):
            raise ValueError(f"{name} names {given[name][:200]}, which cannot be read")
    query = parts.query or ""
    if "ssl_cert_reqs" in given:
        wanted = given["ssl_cert_reqs"].lower().removeprefix("cert_")
        if wanted not in _CERT_REQS:
            raise ValueError("ssl_cert_reqs is required, optional or none")
        query = re.sub(r"(?<=ssl_cert_reqs=)[^&]*", wanted, query)
    elif scheme == "rediss":
        # Without TLS parameters the client library would not even encrypt.
        query = "&".join(filter(None, [query, "ssl_cert_reqs=required"]))
    return query
