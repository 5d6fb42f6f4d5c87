"""Messages to a chat server of our own."""

import pytest

from components.credentials import conceal_environment
from components.monitoring.webhook import NOTIFY_URL, notify


def test_a_title_and_lines_are_one_message(chat, monkeypatch):
    url, heard = chat
    monkeypatch.setenv(NOTIFY_URL, url)
    assert notify("cats: drift", ("mean_red: 0.31 > 0.1", "", "Look at <the> card & think.")) == ()
    assert heard == [{"text": "cats: drift\nmean_red: 0.31 &gt; 0.1\nLook at &lt;the&gt; card &amp; think."}]


def test_nobody_hears_where_nobody_wants_to_know(chat, monkeypatch):
    monkeypatch.delenv(NOTIFY_URL, raising=False)
    assert notify("cats: drift") == () and chat[1] == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("{server}/broken", "Internal Server Error"),
        ("http://127.0.0.1:9/secret", "Connection refused"),
        ("secret", "it is no address"),
        ("http://127.0.0.1:no/secret", "it is no address"),
    ],
)
def test_who_does_not_take_it_is_a_sentence_without_the_address(chat, monkeypatch, address, why):
    url = address.format(server=chat[0])
    monkeypatch.setenv(NOTIFY_URL, url)
    (sentence,) = notify("cats: drift")
    assert "must take a POST of JSON" in sentence and why in sentence
    assert url not in sentence and "secret" not in sentence


def test_a_server_that_repeats_the_address_does_not_bring_it_into_the_sentence(chat, monkeypatch):
    monkeypatch.setenv(NOTIFY_URL, f"{chat[0]}/repeat/T0/s3cret")
    conceal_environment()
    (sentence,) = notify("cats: drift")
    assert "no such hook" in sentence and "s3cret" not in sentence
