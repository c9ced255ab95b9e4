"""URLs are read as a whole: understood, or refused with the form that works and without any part of a password."""

from pathlib import Path

import pytest

from worker.settings import SettingsError, load_settings
from worker.settings.urls import sends_key_unencrypted

PASSWORD = ("s3cret", "p4ss")


def refusal(directory: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as raised:
        load_settings(environ, directory)
    said = str(raised.value)
    assert not any(part in f"{raised.value!r} {said} {raised.value.__cause__}" for part in PASSWORD)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("special", ["@", "#", "/", "?", "%", " ", "@/", "#@", "12/4@", "?@"])
@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://rw:p4ss{}s3cret@db/rw"),
        ("DATABASE_URL", "postgresql://rw:{}s3cret@db:5432/rw?sslmode=require"),
        ("CELERY_BROKER_URL", "redis://:p4ss{}s3cret@redis:6379/0"),
        ("CELERY_BROKER_URL", "amqp://rw:s3cret{}@rabbit//"),
        ("CELERY_BROKER_URL", "sentinel://:p4ss@h1:26379;sentinel://:s3cret{}p4ss@h2:26379"),
    ],
)
def test_a_password_that_is_not_quoted_is_refused_and_shows_how(
    tmp_path: Path, name: str, url: str, special: str
) -> None:
    said = refusal(tmp_path, **{name: url.format(special)})
    assert said.startswith(f"{name}: ")
    assert "write @ as %40" in said


@pytest.mark.parametrize("quoted", ["p%40ss", "p%23%2F%3Fw", "pa:ss", "p%25", "a+b=c&d", "p!$*()"])
def test_a_quoted_password_is_understood(tmp_path: Path, quoted: str) -> None:
    settings = load_settings(
        {
            "DATABASE_URL": f"postgresql://rw:{quoted}@db:5432/rw",
            "CELERY_BROKER_URL": f"redis://:{quoted}@redis:6379/0",
        },
        tmp_path,
    )
    assert settings.database == f"postgresql://rw:{quoted}@db:5432/rw"
    assert settings.broker == f"redis://:{quoted}@redis:6379/0"


def test_brackets_and_letters_beyond_ascii_in_a_password_are_quoted(tmp_path: Path) -> None:
    settings = load_settings({"CELERY_BROKER_URL": "redis://:[ü]@redis:6379/0"}, tmp_path)
    assert settings.broker == "redis://:%5B%C3%BC%5D@redis:6379/0"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("postgres://rw@db/rw", "postgresql://rw@db/rw"),
        ("postgresql+psycopg2://rw@db/rw", "postgresql://rw@db/rw"),
        ("postgresql://rw@db/rw\n", "postgresql://rw@db/rw"),
        ("  postgresql://rw@db/rw \r\n", "postgresql://rw@db/rw"),
        ("postgresql:///rw", "postgresql:///rw"),
        ("postgresql://db", "postgresql://db"),
        ("postgresql://[::1]:5432/rw", "postgresql://[::1]:5432/rw"),
        ("postgresql://rw@db/rw?sslmode=require", "postgresql://rw@db/rw?sslmode=require"),
        (
            "postgresql://rw:p%40@h1:5432,h2:5433/rw?sslmode=require",
            "postgresql://rw:p%40@/rw?host=h1%2Ch2&port=5432%2C5433&sslmode=require&target_session_attrs=read-write",
        ),
        ("postgresql://h1,h2/rw?target_session_attrs=any", "postgresql:///rw?host=h1%2Ch2&target_session_attrs=any"),
        ("postgresql://%2Fvar%2Frun%2Fpg/rw", "postgresql:///rw?host=%2Fvar%2Frun%2Fpg"),
        ("postgresql://[fe80::1%25eth0]:5433/rw", "postgresql:///rw?host=fe80%3A%3A1%25eth0&port=5433"),
        (
            "postgresql://[::1]:5432,[::2]:5433/rw?target_session_attrs=any",
            "postgresql:///rw?host=%3A%3A1%2C%3A%3A2&port=5432%2C5433&target_session_attrs=any",
        ),
        ("postgresql://rw@db/rw/", "postgresql://rw@db/rw"),
        ("\ufeffpostgresql://rw@db/rw\u200b\u00a0", "postgresql://rw@db/rw"),
        ("sqlite:////srv/50 %/büro/rw.db\n", "sqlite:////srv/50%20%25/b%C3%BCro/rw.db"),
        ("SQLite:////srv/a%20b%3F.db", "sqlite:////srv/a%20b%3F.db"),
    ],
)
def test_database_urls_are_understood(tmp_path: Path, given: str, read: str) -> None:
    assert load_settings({"DATABASE_URL": given}, tmp_path).database == read


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("sqlite://", "in-memory database is not shared between processes; write sqlite:////path"),
        ("sqlite:///:memory:", "in-memory database"),
        ("sqlite:///file::memory:?cache=shared&uri=true", "in-memory database"),
        ("sqlite:///file:x?mode=memory&uri=true", "in-memory database"),
        ("sqlite:///file:x.db?mode=ro&uri=true", "only a path, without parameters"),
        ("sqlite:////srv/rw.db?timeout=abc", "only a path, without parameters"),
        ("sqlite:///~/rw.db", "~ is not expanded"),
        ("sqlite:///$HOME/rw.db", "a variable or a placeholder in it that nothing has replaced"),
        ("sqlite:////srv/data/", "it names a folder"),
        ("sqlite3:////srv/rw.db", "sqlite3 is not supported; write postgresql://"),
        ("sqlite:rw.db", "the scheme is not followed by ://"),
        ("jdbc:postgresql://db/rw", "jdbc:postgresql is not supported"),
        ("postgresql://rw:s3cret@${HOST}/rw", "a variable or a placeholder"),
        ("postgresql://$DB_HOST:5432/rw", "a variable or a placeholder"),
        ("postgresql://db/{{name}}", "a variable or a placeholder"),
        ("$DATABASE_URL", "a variable or a placeholder"),
        ("host=db dbname=rw password=s3cret", "it begins with a name and =; write the URL alone"),
        ("DATABASE_URL=postgresql://rw:s3cret@db/rw", "it begins with a name and ="),
        ("postgresql://rw:s3cret@db/rw;", "it ends with ;"),
        ('postgresql://rw:s3cret@db/rw"', "it is in quotes"),
        ("\u201cpostgresql://rw:s3cret@db/rw\u201d", "it is in quotes"),
        ("postgresql://rw:s3cret@db/rw/public", "has a slash in it"),
        ("postgresql://rw:s3cret@h1,/rw", "one of its hosts is empty"),
        ("postgresql://rw:s3cret@h1/rw,postgresql://rw:s3cret@h2/rw", "cannot be told apart"),
        ("postgresql://rw:s3cret@d\u200bb/rw", "a space or a line break in it"),
        ("sqlite://folder/file.db", "three slashes, an absolute path four"),
        ("mysql://rw:s3cret@db/rw", "mysql is not supported; write postgresql://user:password@host"),
        ("rw:s3cret@db/rw", "it has no scheme; write postgresql://"),
        ("'postgresql://rw:s3cret@db/rw'", "it is in quotes; leave them out"),
        ('"postgresql://rw:s3cret@db/rw"', "it is in quotes"),
        ("postgresql://rw:s3cret@db:s3cret/rw", "host and port cannot be read"),
        ("postgresql://rw:s3cret@db:99999/rw", "host and port cannot be read"),
        ("postgresql://db:s3cret/rw", "host and port cannot be read"),
        ("postgresql://rw:s3cret@db/rw\npostgresql://rw:s3cret@db/rw", "a space or a line break in it"),
    ],
)
def test_database_urls_are_refused_with_the_form_that_works(tmp_path: Path, given: str, said: str) -> None:
    assert said in refusal(tmp_path, DATABASE_URL=given)


def test_a_relative_path_is_the_same_file_for_every_log_and_message(tmp_path: Path) -> None:
    assert load_settings({"DATABASE_URL": "sqlite:///rw.db"}, tmp_path).database == f"sqlite:///{Path.cwd()}/rw.db"


def test_a_schema_goes_into_the_options_of_the_url(tmp_path: Path) -> None:
    def with_schema(url: str) -> str:
        return load_settings({"DATABASE_URL": url, "RENDERWATCH_DATABASE_SCHEMA": "rw"}, tmp_path).database

    assert with_schema("postgresql://db/x") == "postgresql://db/x?options=-csearch_path%3Drw"
    assert with_schema("postgres://db/x?options=-c%20geqo%3Doff&sslmode=require") == (
        "postgresql://db/x?sslmode=require&options=-c%20geqo%3Doff%20-csearch_path%3Drw"
    )


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"RENDERWATCH_DATABASE_SCHEMA": "rw"}, "only PostgreSQL has schemas"),
        ({"DATABASE_URL": "sqlite:///x.db", "RENDERWATCH_DATABASE_SCHEMA": "rw"}, "only PostgreSQL has schemas"),
        ({"DATABASE_URL": "postgresql://db/x", "RENDERWATCH_DATABASE_SCHEMA": "Rw; DROP"}, "a schema name has"),
        ({"DATABASE_URL": "postgresql://db/x", "RENDERWATCH_DATABASE_SCHEMA": "pg_rw"}, "a schema name has"),
        (
            {"DATABASE_URL": "postgresql://db/x?options=-csearch_path%3Dy", "RENDERWATCH_DATABASE_SCHEMA": "rw"},
            "keep one",
        ),
    ],
)
def test_a_schema_that_cannot_be_is_refused(tmp_path: Path, environ: dict[str, str], said: str) -> None:
    assert said in refusal(tmp_path, **environ)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("redis://h/0\n", "redis://h/0"),
        ("valkey://:p4ss@h:6379/1", "redis://:p4ss@h:6379/1"),
        ("valkeys://h/0?ssl_cert_reqs=none", "rediss://h/0?ssl_cert_reqs=none"),
        ("rediss://h/0", "rediss://h/0?ssl_cert_reqs=required"),
        (
            "rediss://h/0?ssl_ca_certs=/etc/passwd",
            "rediss://h/0?ssl_ca_certs=/etc/passwd&ssl_cert_reqs=required",
        ),
        ("rediss://h/0?ssl_cert_reqs=CERT_NONE", "rediss://h/0?ssl_cert_reqs=none"),
        ("redis+tls://h/0?ssl_cert_reqs=None", "rediss://h/0?ssl_cert_reqs=none"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("amqp://rw:p4ss@rabbit/?heartbeat=10", "amqp://rw:p4ss@rabbit/?heartbeat=10"),
        ("sentinel://h1:26379;sentinel://h2:26379;", "sentinel://h1:26379;sentinel://h2:26379"),
        ("redis+socket:///run/redis.sock?virtual_host=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ("sentinel://h1:26379;sentinel://h2:26379", "sentinel://h1:26379;sentinel://h2:26379"),
        ("amqp://rw:p4ss@rabbit:5672//", "amqp://rw:p4ss@rabbit:5672//"),
        ("amqps://rw:p4ss@rabbit/vhost", "amqps://rw:p4ss@rabbit/vhost"),
    ],
)
def test_broker_urls_are_understood(tmp_path: Path, given: str, read: str) -> None:
    assert load_settings({"CELERY_BROKER_URL": given}, tmp_path).broker == read


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("redis:6379", "it has no scheme; write redis://:password@host:6379/0"),
        ("sqs://key:s3cret@", "sqs is not supported; write redis://"),
        ('"redis://:s3cret@h/0"', "it is in quotes"),
        ("redis://h1:6379,h2:6379/0", "for several hosts, separate several URLs"),
        ("sentinel://h1:26379;h2:26379", "it has no scheme"),
        ("redis://:s3cret@h:6379/zero", "the number of a Redis database"),
        ("rediss://:s3cret@h/0?ssl_cert_reqs=never", "ssl_cert_reqs is required, optional or none"),
        (
            "rediss://:s3cret@h/0?ssl_ca_certs=/nowhere/ca.pem",
            "ssl_ca_certs names /nowhere/ca.pem, which cannot be read",
        ),
        ("amqps://:s3cret@h//?ssl_keyfile=/nowhere/key.pem", "ssl_keyfile names /nowhere/key.pem"),
        ("rediss://:s3cret@h/0?ssl_ca_cert=/ca.pem", "means nothing here (ssl_ca_cert); there are ssl_cert_reqs"),
        ("redis://:s3cret@h/0?ssl=true", "means nothing here (ssl); for TLS write rediss://"),
        ("redis://:s3cret@h/0?db=3", "means nothing here (db)"),
        ("redis://:s3cret@h/0?socket_timeout=5", "means nothing here (socket_timeout)"),
        ("redis://:s3cret@h/0?password=p4ss", "means nothing here"),
        ("amqp://rw:s3cret@h//?heartbeat=soon", "heartbeat is a number of seconds"),
        ("sentinel://h1:26379/mymaster", "the master's name goes into RENDERWATCH_BROKER_TRANSPORT_OPTIONS"),
        ("redis://${REDIS_HOST}:6379/0", "a variable or a placeholder"),
        ("redis://h1/0,redis://h2/0", "for several hosts, separate several URLs"),
    ],
)
def test_broker_urls_are_refused_with_the_form_that_works(tmp_path: Path, given: str, said: str) -> None:
    assert said in refusal(tmp_path, CELERY_BROKER_URL=given)


def test_the_apis_url_loses_what_is_around_it(tmp_path: Path) -> None:
    for given in ("https://api.example.com/", "https://api.example.com\n"):
        assert load_settings({"MAGIC_HOUR_BASE_URL": given}, tmp_path).magic_hour_base_url == "https://api.example.com"
    below = load_settings({"MAGIC_HOUR_BASE_URL": "http://h:8080/magic/"}, tmp_path)
    assert below.magic_hour_base_url == "http://h:8080/magic"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "https://api.magichour.ai/v1",
            "leave out /v1 and what follows, which is added to it: write https://api.magichour.ai",
        ),
        ("https://api.magichour.ai/v1/", "leave out /v1"),
        ("https://api.magichour.ai/V1", "leave out /v1"),
        ("https://api.magichour.ai/%76%31", "leave out /v1"),
        ("https://api.magichour.ai\\v1", "host and port cannot be read"),
        ("https://$HOST", "a variable or a placeholder"),
        ("https://<host>/magic", "a variable or a placeholder"),
        ("https://api.magichour.ai;", "it ends with ;"),
        ("https://proxy/magic/v1/account", "write https://proxy/magic"),
        ("api.magichour.ai", "it has no scheme; write https://api.magichour.ai"),
        ("ftp://api.magichour.ai", "write http://host or https://host"),
        ("https://me:s3cret@api.magichour.ai", "a user or a password in it"),
        ("https://api.magichour.ai/?key=s3cret", "it has a query"),
        ("https://api.magichour.ai/#s3cret", "it cannot be read"),
    ],
)
def test_the_apis_url_is_refused_with_the_form_that_works(tmp_path: Path, given: str, said: str) -> None:
    assert said in refusal(tmp_path, MAGIC_HOUR_BASE_URL=given)


def test_keys_lose_the_line_break_that_an_editor_left(tmp_path: Path) -> None:
    settings = load_settings({"MAGIC_HOUR_API_KEY": "one\n", "MAGIC_HOUR_API_KEYS": '{"b": " two\\n"}'}, tmp_path)
    assert {name: key.get_secret_value() for name, key in settings.accounts.items()} == {"default": "one", "b": "two"}


@pytest.mark.parametrize(
    ("url", "is_warned_of"),
    [
        ("http://api.example.com", True),
        ("http://API.example.com:8080/proxy", True),
        ("http://93.184.216.34", True),
        ("http://[2606:2800:220:1::1]:80", True),
        ("https://api.example.com", False),
        ("http://simulator:8330", False),
        ("http://localhost:8787", False),
        ("http://127.0.0.1:8787", False),
        ("http://[::1]:8787", False),
        ("http://10.1.2.3", False),
        ("http://simulator.renders.svc.cluster.local", False),
        ("http://simulator.renders.svc", False),
    ],
)
def test_plain_http_beyond_private_networks_is_warned_of(url: str, *, is_warned_of: bool) -> None:
    assert sends_key_unencrypted(url) is is_warned_of
