import ast
import os
import pickle
import re
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
from pydantic import ValidationError

from components.credentials import VARIABLE, Address, complete, conceal_environment, lent, login
from components.errors import conceal, first_line, has_credentials, safe, without_credentials
from components.ingest.items import Reject
from components.settings import Settings


class Told(Settings):
    uri: Address = ""
    """Where."""


@pytest.mark.parametrize(
    ("given", "public"),
    [
        ("http://ann:canary@host:5000/x", "http://host:5000/x"),
        ("http://ann:p/canary@host:5000/x", "http://host:5000/x"),
        ("http://ann:p@canary@host", "http://host"),
        ("http://ann:p?a/#canary@host/x", "http://host/x"),
        ("https://canary@host/x", "https://host/x"),
        ("postgresql://ann:canary@host/db?sslmode=require", "postgresql://host/db?sslmode=require"),
        ("s3://KEY:canary/+x@bucket/folder", "s3://bucket/folder"),
        ("http://ann:4711canary/x@host/x", "http://host/x"),
        ("https://host/x?token=canary&a=1", "https://host/x?token=&a=1"),
        (
            "https://host/a.png?X-Amz-Credential=canary%2Fx&X-Amz-Signature=canary&versionId=3",
            "https://host/a.png?X-Amz-Credential=&X-Amz-Signature=&versionId=3",
        ),
        ("https://host/a?sig=canary&key=canary&api_key=canary", "https://host/a?sig=&key=&api_key="),
        (
            "https://host/a?password=canary&secret=canary&Signature=canary",
            "https://host/a?password=&secret=&Signature=",
        ),
        # None of these is one.
        ("http://host:5000/x?monkey=1&keyboard=2", "http://host:5000/x?monkey=1&keyboard=2"),
        ("gs://bucket/cats@home/1.png", "gs://bucket/cats@home/1.png"),
        ("http://host:8080/pictures/cat@2x.jpg", "http://host:8080/pictures/cat@2x.jpg"),
        ("sqlite:////home/a:b@c/mlflow.db", "sqlite:////home/a:b@c/mlflow.db"),
        ("/pictures/a@b?token=1x".partition("?")[0], "/pictures/a@b"),
    ],
)
def test_an_address_loses_its_credentials_alone(given, public):
    assert without_credentials(given) == public
    assert (
        without_credentials(f"'{given}' (\"{given}\") <{given}> failed")
        == f"'{public}' (\"{public}\") <{public}> failed"
    )
    assert Told(uri=given).uri == public and without_credentials(public) == public


@pytest.mark.parametrize(
    ("given", "public", "pair"),
    [
        ("http://ann:it's canary@host:5000/x", "http://host:5000/x", ("ann", "it's canary")),
        ('s3://KEY:"<canary>@bucket', "s3://bucket", ("KEY", '"<canary>')),
        ("http://ann:1 canary@host?token=canary", "http://host?token=", ("ann", "1 canary")),
        ("ann:canary@gateway:9091", "gateway:9091", ("ann", "canary")),
        ("ann:p/canary@gateway:9091", "gateway:9091", ("ann", "p/canary")),
        ("http://host?a=1&access_token=can'ary <x;y\"#z&b=2", "http://host?a=1&access_token=&b=2", None),
        ("http://host:5000/x@v1?token=canary", "http://host:5000/x@v1?token=", None),
        ("gateway:9091", "gateway:9091", None),
        ("models/cats@v1/mlflow.db", "models/cats@v1/mlflow.db", None),
    ],
)
def test_of_an_address_by_itself_everything_before_the_host_is_the_login(given, public, pair):
    told = Told(uri=given)
    assert (str(told.uri), login(told.uri)) == (public, pair)
    assert "canary" not in repr(told) and "canary" not in safe(f"{given} failed")


def test_a_setting_shows_no_password_and_gives_it_to_the_client_alone():
    told = Told(uri="http://ann:p/canary@host")
    assert complete(told.uri) == "http://ann:p%2Fcanary@host" and login(told.uri) == ("ann", "p/canary")
    for text in (repr(told), str(told.model_dump()), told.model_dump_json(), f"{told.uri}/x", str(told.uri)):
        assert "canary" not in text
    assert complete(pickle.loads(pickle.dumps(told)).uri) == complete(told.uri)
    assert complete("http://host") == "http://host" and login("http://host") is None


def test_what_is_encoded_already_stays_so():
    told = Told(uri="http://ann:p%2Fcanary@host")
    assert complete(told.uri) == "http://ann:p%2Fcanary@host"
    assert safe("p%2Fcanary p/canary") == "*** ***"


def test_a_step_finds_the_credentials_while_they_are_lent_and_not_after():
    told = Told(uri="http://mlflow:mlflow@mlflow:5000")
    parameter = told.model_dump_json()
    with lent([told.uri, "http://other"]):
        again = Told.model_validate_json(parameter)
        assert again.uri == "http://mlflow:5000" and complete(again.uri) == "http://mlflow:mlflow@mlflow:5000"
        assert login(again.uri) == ("mlflow", "mlflow")
    assert VARIABLE not in os.environ
    assert complete(Told.model_validate_json(parameter).uri) == "http://mlflow:5000"


def test_a_password_goes_from_what_others_say_in_every_encoding():
    Told(uri="http://ann:c4n4ry/1 x@host?token=t0ken9&a=keep")
    assert safe("no c4n4ry/1 x, c4n4ry%2F1%20x, c4n4ry/1%20x, c4n4ry%2F1+x, t0ken9; keep") == (
        "no ***, ***, ***, ***, ***; keep"
    )
    conceal(["abc", ""])
    assert safe("abc") == "abc", "too short to be told from a word"


def test_an_error_is_one_line_without_passwords_however_long_it_is():
    line = "x" * 290 + "http://ann:canary@host"
    assert "canary" not in first_line(OSError(f"{line}\nsecond")) and len(first_line(OSError("y" * 400))) == 300
    assert first_line(OSError()) == "OSError"


@pytest.mark.parametrize("text", ["x" * 5_000_000, "/" * 1_000_000, "a:" * 100_000, "http://h/x " * 1_000])
def test_a_long_text_is_looked_through_at_once(text):
    begun = time.monotonic()
    assert not has_credentials(text) and time.monotonic() - begun < 10
    assert has_credentials(f"{text} http://ann:canary@host")


def test_a_rejected_picture_is_named_without_its_signature():
    one = Reject("https://host/a.png?X-Amz-Signature=canary", "corrupt", "same as https://ann:canary@host/b.png")
    assert (one.uri, one.detail) == ("https://host/a.png?X-Amz-Signature=", "same as https://host/b.png")
    assert Reject("s3://KEY:it's canary@bucket/a.png", "corrupt", "").uri == "s3://bucket/a.png"
    assert Reject("shots/10:30@work.png", "corrupt", "").uri == "shots/10:30@work.png"


@pytest.mark.parametrize("given", ["http://ann:canary@host/x?mail=me@corp.com", "http://ann:canary@w/x@host"])
def test_a_password_goes_to_no_host_that_may_be_none(given):
    with pytest.raises(ValidationError, match="it must be clear where the password ends"):
        Told(uri=given)


def test_a_concealed_token_goes_whole_whatever_an_address_in_a_text_may_hold():
    Told(uri="http://host?a=1;token=it's canary")
    assert safe("no answer of http://host?token=it's canary or of it's canary") == (
        "no answer of http://host?token= or of ***"
    )


# Variable -> what it is given, where that is a secret or has one in it; or why it has none. Ours, and those that
# libraries read with which we reach stores, registries, clusters and collectors.
VARIABLES = {
    VARIABLE: '{"http://host": "http://ann:canary@host"}',
    "FROSTGATE_NOTIFY_URL": "https://hooks.chat/services/T0/canary",
    "FROSTGATE__REGISTRY__URI": "http://ann:canary@host",
    "KF_PIPELINES_ENDPOINT": "http://ann:canary@host",
    "MLFLOW_TRACKING_URI": "http://ann:canary@host",
    "MLFLOW_TRACKING_PASSWORD": "canary",
    "MLFLOW_TRACKING_TOKEN": "canary",
    "AWS_SECRET_ACCESS_KEY": "canary",
    "AWS_SESSION_TOKEN": "canary",
    "AWS_ENDPOINT_URL": "http://ann:canary@host",
    "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountKey=canary",
    "AZURE_STORAGE_KEY": "canary",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://host/v1?api-key=x&token=canary",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://ann:canary@host",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-team=canary%2Fx,other=Bearer%20canary",
    "https_proxy": "ann:canary@host:3128",
    "HTTP_PROXY": "http://ann:canary@host:3128",
    "HF_TOKEN": "canary",
    "KF_PIPELINES_SA_TOKEN_PATH": "names a file",
    "AWS_ACCESS_KEY_ID": "names who asks",
    "GOOGLE_APPLICATION_CREDENTIALS": "names a file",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "is true",
}
TELLING = re.compile("[A-Z0-9_]*(URL|URI|ENDPOINT|TOKEN|PASSW|SECRET|KEY|CREDENTIAL|HEADER|PROXY|CONNECTION)[A-Z0-9_]*")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_secret_in_the_environment_is_said_by_nobody(name, monkeypatch):
    value = VARIABLES[name]
    monkeypatch.setenv(name, value)
    conceal_environment()
    pieces = [value, *re.findall(r"[\w/]*canary[\w/]*", unquote(value))]
    assert "canary" not in safe(f"{pieces} {', '.join(pieces)}")
    assert safe("http host https ann team Basic other") == "http host https ann team Basic other"
    if "canary" not in value:
        assert safe(value) == value


def test_every_variable_that_we_read_and_that_may_be_a_secret_is_looked_at():
    root = Path(__file__).parents[1]
    trees = [ast.parse(path.read_text()) for room in ("components", "pipeline") for path in (root / room).rglob("*.py")]
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    # FROSTGATE__ begins those of the settings, which tests/config/test_secrets.py goes through.
    names = {text for text in texts if isinstance(text, str) and "_" in text and TELLING.fullmatch(text)}
    assert names - {"FROSTGATE__"} <= {*VARIABLES}
