"""TLS to RabbitMQ, with the same URL parameters as for Redis: ``amqps://…?ssl_ca_certs=/path``.

Celery fails on these parameters with a TypeError, and without them it does not verify that the certificate matches
the host name.
"""

import ssl
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

_PREFIX: Final = "ssl_"
_CERT_REQS: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def split_tls(url: str) -> tuple[str, dict[str, Any]]:
    """Return a broker's URL without its TLS parameters, and the equivalent ``broker_use_ssl`` for Celery.

    Several URLs may be joined by ``;``; the parameters of the first one apply to all.
    """
    parts = [_split(each) for each in url.split(";")]
    options = parts[0][1]
    required = _CERT_REQS.get(options.pop("cert_reqs", "required").lower().removeprefix("cert_"), ssl.CERT_REQUIRED)
    checked = {} if required == ssl.CERT_NONE else {"server_hostname": None}  # kombu fills in the URL's host
    return ";".join(bare for bare, _ in parts), {"cert_reqs": required, **checked, **options}


def _split(url: str) -> tuple[str, dict[str, str]]:
    base, _, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    kept = urlencode([(name, value) for name, value in given if not name.startswith(_PREFIX)])
    options = {name.removeprefix(_PREFIX): value for name, value in given if name.startswith(_PREFIX)}
    return base + (f"?{kept}" if kept else ""), options
