"""What is masked, and how much of it."""

import pytest

from devproxy.processes.secrets import MASK, mask


@pytest.mark.parametrize(
    "name",
    [
        "API_KEY", "STRIPE_KEYS", "apikey", "GITHUB_TOKEN", "tokens", "SECRET", "SECRET_KEY_BASE", "DB_PASSWORD",
        "MYSQL_PASSWD", "SSH_PASSPHRASE", "GOOGLE_APPLICATION_CREDENTIALS", "PRIVATE", "AUTH", "OAUTH_ID",
        "HTTP_AUTHORIZATION", "npm_config__auth",
    ],
)  # fmt: skip
def test_a_name_tells_that_all_of_its_value_is_secret(name: str) -> None:
    assert mask(name, "hunter2") == MASK
    assert mask(name, "") == ""


@pytest.mark.parametrize("name", ["PATH", "HOME", "GIT_AUTHOR_NAME", "KEYBOARD", "XKB_KEYMAP", "DEBUG", "PORT"])
def test_other_values_are_shown(name: str) -> None:
    assert mask(name, "/usr/bin:/bin") == "/usr/bin:/bin"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgres://me:pass@db:5432/shop", "postgres://me:********@db:5432/shop"),
        ("redis://:pass@localhost/0", "redis://:********@localhost/0"),
        ("postgres://me:p@ss/w#rd@db/shop", "postgres://me:********@db/shop"),
        ("amqp://a:12345@h", "amqp://a:********@h"),
        ("http://localhost:8000/mail?to=a@b", "http://localhost:8000/mail?to=a@b"),
        ("http://me@host/x", "http://me@host/x"),
        ("https://h/x?a=1&token=abc&b=2", "https://h/x?a=1&token=********&b=2"),
        ("host=db user=me password=abc dbname=x", "host=db user=me password=******** dbname=x"),
    ],
)
def test_of_a_url_only_the_password_is_masked(value: str, shown: str) -> None:
    assert mask("DATABASE_URL", value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://0123abc@o1.ingest.sentry.io/2", "https://********@o1.ingest.sentry.io/2"),
        ("postgres://me:pass@db/shop", "postgres://me:********@db/shop"),
        ("host=db password=abc", "host=db password=********"),
        ("anything else", MASK),
    ],
)
def test_a_dsn_keeps_what_is_no_secret(value: str, shown: str) -> None:
    assert mask("SENTRY_DSN", value) == shown
