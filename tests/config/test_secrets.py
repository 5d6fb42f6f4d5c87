"""A secret in each place of a configuration in turn: it is taken at the door, or refused there, and never said."""

import functools
import json
import traceback
import types
import typing
from collections.abc import Iterator

import pytest
import yaml
from pydantic import BaseModel

from components.credentials import complete
from pipeline.config import Config, addresses, effective_yaml, fingerprint, load
from pipeline.config_errors import ConfigRefused, all_keys, field_at
from pipeline.runners.kubeflow.checks import check

WORD = "c4n4ry"
SECRETS = [
    f"http://ann:it's {WORD}@host/x",
    f'https://{WORD}"<@host/x',
    f"s3://bucket/x?X-Amz-Signature='{WORD}' {WORD}",
    f"filecache::s3://KEY:{WORD}@bucket/x",
    f"mssql+pyodbc:///?odbc_connect=UID%3Du%3BPWD%3D{WORD}",
    f"https://host/x#access_token={WORD}",
    f"mysql://host/x?user=ann&pass={WORD}",
]
# Where an address may come with a password, for the client that is given it can use it.
TAKEN = {"registry.uri", "monitoring.pushgateway"}


def holding(annotation: typing.Any, secret: str) -> Iterator[object]:
    """Values with a secret in each place where one of this type can hold a text; for other types the text itself."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        yield from ([one] for one in holding(arguments[0], secret))
    elif origin is dict:
        yield from ({"NAME": one} for one in holding(arguments[1], secret))
        yield {secret: "x"}
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield from ({name: one} for one in holding(field.annotation, secret))
    elif origin in (typing.Union, types.UnionType):
        yield from holding(arguments[0], secret)
    else:
        yield secret


def leaves() -> list[str]:
    keys = list(all_keys(Config))
    return [key for key in keys if not any(other.startswith(f"{key}.") for other in keys)]


def said_of(*overrides: str, path: str | None = None, environ: dict[str, str] | None = None) -> tuple[str, bool]:
    """Everything that anybody can learn of a configuration, and whether it was taken."""
    try:
        config = load(path, overrides, environ)
    except ConfigRefused as error:
        return f"{error!r} {''.join(traceback.format_exception(error))} {error.__context__!r}", False
    return f"{config!r} {config.model_dump()} {config.model_dump_json()} {effective_yaml(config)}", True


@pytest.mark.parametrize("key", leaves())
def test_no_setting_shows_a_secret_that_it_was_given(key, tmp_path):
    file, section = tmp_path / "run.yaml", key.split(".")
    field = field_at(Config, section)
    assert field is not None
    for secret in SECRETS:
        for value in holding(field.annotation, secret):
            file.write_text(yaml.safe_dump(functools.reduce(lambda inner, part: {part: inner}, section[::-1], value)))
            said, is_taken = said_of(path=str(file))
            assert WORD not in said and is_taken == (key in TAKEN)
    text = value if isinstance(value, str) else json.dumps(value)
    variable = f"FROSTGATE__{key.replace('.', '__').upper()}"
    for said, is_taken in (said_of(f"{key}={text}"), said_of(environ={variable: text})):
        assert WORD not in said and is_taken == (key in TAKEN)


@pytest.mark.parametrize(
    "form",
    [
        "{key}_={value}",
        "{key}.x={value}",
        "{key}: {value}",
        '{key}=["{value}"]',
        '{key}={{x: "{value}"}}',
        "{value}=1",
        "{value}",
    ],
)
def test_no_mistaken_setting_shows_a_secret(form):
    for key in leaves():
        for secret in SECRETS[:2]:
            assert WORD not in said_of(form.format(key=key, value=secret))[0], key


@pytest.mark.parametrize(
    "told",
    [
        f"kubeflow.env={{AWS_SECRET_ACCESS_KEY: {WORD}}}",
        f"kubeflow.env.MLFLOW_TRACKING_TOKEN={WORD}",
        f"kubeflow.env.MLFLOW_TRACKING_PASSWORD={WORD}",
        f"kubeflow.env.OTEL_EXPORTER_OTLP_HEADERS=api-key={WORD}",
        f"kubeflow.env.FROSTGATE_NOTIFY_URL=https://hooks/{WORD}",
        f"kubeflow.steps={{StatisticsGen: {{beam_args: [--s3_secret_access_key={WORD}]}}}}",
        f"kubeflow.steps={{StatisticsGen: {{beam_args: [--s3_session_token, {WORD}]}}}}",
    ],
)
def test_what_is_a_secret_by_its_name_comes_from_a_secret_of_the_cluster(told):
    said, is_taken = said_of(told)
    assert WORD not in said and not is_taken and "Steps take it from a secret that kubeflow.secrets names" in said


def test_names_of_files_ids_and_users_are_no_secrets():
    names = (
        "AWS_ACCESS_KEY_ID",
        "KF_PIPELINES_SA_TOKEN_PATH",
        "MLFLOW_TRACKING_USERNAME",
        "GOOGLE_APPLICATION_CREDENTIALS",
    )
    config = load(None, [f"kubeflow.env.{name}=x" for name in names])
    assert set(config.kubeflow.env) == set(names)


@pytest.mark.parametrize("key", ["registry.uri", "data.uri", "backbone.weights"])
@pytest.mark.parametrize(
    "text", [f"https://host/x?to%6ben={WORD}", f"https://host/x?token%3D{WORD}", f"s3://u:{WORD}%40x"]
)
def test_a_secret_whose_address_is_encoded_is_refused(key, text):
    said, is_taken = said_of(f"{key}={text}")
    assert WORD not in said and not is_taken


def test_every_address_that_is_taken_is_lent_to_the_steps_and_refused_in_a_compiled_file():
    config = load(None, [f"{key}=http://ann:{WORD}@host" for key in TAKEN])
    assert {key: complete(one) for key, one in addresses(config).items()} == dict.fromkeys(
        TAKEN, f"http://ann:{WORD}@host"
    )
    with pytest.raises(ConfigRefused) as refused:
        check(config)
    assert all(f"{key} must hold no password" in str(refused.value) for key in TAKEN)
    assert fingerprint(config) == fingerprint(load(None, [f"{key}=http://host" for key in TAKEN]))
