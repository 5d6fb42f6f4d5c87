import os
import pickle

import pytest
from pydantic import ValidationError

from components.credentials import VARIABLE, Address, complete, lent, login
from components.errors import conceal, first_line, safe, without_credentials
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


def test_a_rejected_picture_is_named_without_its_signature():
    one = Reject("https://host/a.png?X-Amz-Signature=canary", "corrupt", "same as https://ann:canary@host/b.png")
    assert (one.uri, one.detail) == ("https://host/a.png?X-Amz-Signature=", "same as https://host/b.png")


@pytest.mark.parametrize("given", ["http://ann:canary@host/x?mail=me@corp.com", "http://ann:canary@w/x@host"])
def test_a_password_goes_to_no_host_that_may_be_none(given):
    with pytest.raises(ValidationError, match="it must be clear where the password ends"):
        Told(uri=given)


def test_a_concealed_token_goes_whole_whatever_an_address_in_a_text_may_hold():
    Told(uri="http://host?a=1;token=it's canary")
    assert safe("no answer of http://host?token=it's canary or of it's canary") == (
        "no answer of http://host?token= or of ***"
    )
