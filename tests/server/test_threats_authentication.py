"""Threats T031 to T045: who says that he is somebody, asked of the running server."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from django_cloudkey.checks import check_accounts
from django_cloudkey.client import AuthenticationError, CloudKey
from django_cloudkey.protocol.normalization import normalize
from django_cloudkey.protocol.signing import sign_call
from django_cloudkey.server.models import Account, Media, Organisation, RateCounter

from ..conftest import Cloud
from .historical import Python2
from .test_threats_envelope import UNKNOWN, work_of
from .wire import LIST, call, code_of, signed

pytestmark = pytest.mark.usefixtures("no_failure")

VECTORS = json.loads((Path(__file__).parent.parent / "vectors.json").read_text())
REFUSED = {"error": {"message": "Authentication failed.", "code": 400}}


@pytest.fixture
def media(cloud: Cloud) -> str:
    return str(cloud.client.media.create(meta={"title": "First", "note": "x"})["id"])


def as_somebody(cloud: Cloud, auth: Any, **headers: str) -> dict[str, Any]:
    return call(cloud, json.dumps({**LIST, "auth": auth}).encode(), **headers)


@pytest.mark.parametrize(
    ("code", "values"),
    [
        pytest.param(600, [None, [], {}, 1, True], id="T031"),
        pytest.param(
            400, ["", ":", "x", ":::", "x:y:z", ":" * 9, "{own}", "{own}:", ":{digest}",
                  "{own}:{digest}:", "{own}:{digest}:{digest}", "a" * 500_000, "\0:\0"],
            id="T031-text",
        ),
        pytest.param(
            400, ["{own}:{upper}", "{own}:{short}", "{own}:{digest}0", "{own}:" + "g" * 32,
                  "{own}:{wide}", "{own}:\0{short}", "{own}: {digest}", "{own}:{digest}\n"],
            id="T032",
        ),
    ],
)  # fmt: skip
def test_what_is_no_auth_is_refused(cloud: Cloud, code: int, values: list[Any]) -> None:
    digest = sign_call(cloud.account.pk, LIST, cloud.account.api_key).partition(":")[2]
    known = {
        "own": cloud.account.pk,
        "digest": digest,
        "upper": digest.upper(),
        "short": digest[:-1],
        "wide": digest.translate({n: n + 0xFEE0 for n in range(0x30, 0x7B)}),
    }
    assert code_of(as_somebody(cloud, "{own}:{digest}".format(**known))) == 0

    for value in values:
        auth = value.format(**known) if isinstance(value, str) else value
        assert code_of(as_somebody(cloud, auth)) == code, value


def test_t033_every_reason_has_the_same_answer_for_the_same_work(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account has one key here, so that there is none with retired keys alone."""
    other = Account.objects.create(name="other")
    closed = Account.objects.create(name="closed", is_active=False)
    request = {"call": "media.create", "args": {"meta": {"a": 1e20, "b": True}}}
    found = set()

    for user, key in (
        (UNKNOWN, cloud.account.api_key),
        (closed.pk, closed.api_key),
        (cloud.account.pk, other.api_key),
        (cloud.account.pk, ""),
    ):
        body = json.dumps({**request, "auth": sign_call(user, request, key)}).encode()
        assert call(cloud, body) == REFUSED
        found.add(work_of(body, monkeypatch)[1:])

    ((digests, queries),) = found
    assert digests > 1  # one for each way in which clients wrote such numbers
    assert queries == 1


def test_t033_what_cannot_be_a_user_is_not_looked_up(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL takes no NUL in a text, and would fail on it."""
    for user in ("\0", f"{UNKNOWN}\0", "x" * 100_000, "é" * 24):
        body = json.dumps({**LIST, "auth": f"{user}:{'0' * 32}"}).encode()
        text, _, queries = work_of(body, monkeypatch)
        assert (json.loads(text), queries) == (REFUSED, 0)


@pytest.mark.parametrize(
    "user", ["", "demo", "{own}/", "{own}/{own}", "{own} ", "{own}\0", "é", "{other}"]
)
def test_t034_right_key_under_another_name_is_refused(
    cloud: Cloud, stranger: CloudKey, user: str
) -> None:
    client = CloudKey(cloud.account.pk, cloud.account.api_key, cloud.base_url)
    # Which the client would not take.
    client._caller = user.format(own=cloud.account.pk, other=stranger.user_id)

    with pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
        client.media.list()


def test_t034_changed_call_is_refused(cloud: Cloud, media: str) -> None:
    body = signed(cloud.account, {"call": "media.info", "args": {"id": media}})

    assert call(cloud, body.replace(b"media.info", b"media.delete")) == REFUSED
    assert call(cloud, body.replace(media.encode(), UNKNOWN.encode())) == REFUSED


# Acting as another


def acting(cloud: Cloud, account: Account, other: str) -> CloudKey:
    client = CloudKey(account.pk, account.api_key, cloud.base_url)
    client._caller = f"{account.pk}/{other}"  # whatever it is
    return client


def test_t035_what_is_no_user_is_refused(cloud: Cloud, head: Account, pupil: Account) -> None:
    assert acting(cloud, head, pupil.pk).user.whoami()["id"] == pupil.pk

    for other in (
        "../x", f"{pupil.pk}/", f"{pupil.pk}/{pupil.pk}", f"/{pupil.pk}", f" {pupil.pk}",
        f"{pupil.pk}\n", f"{pupil.pk}\0", "é", "a/b", "x" * 1024, "pupil", pupil.pk.upper(), ":",
        f"{pupil.pk}:", "",
    ):  # fmt: skip
        with pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
            acting(cloud, head, other).media.list()


def test_t036_foreign_unknown_and_switched_off_look_the_same(
    cloud: Cloud, head: Account, school: Organisation
) -> None:
    off = Account.objects.create(name="off", organisation=school, is_active=False)
    elsewhere = Account.objects.create(
        name="elsewhere", organisation=Organisation.objects.create(name="other"), is_manager=True
    )
    answers = set()

    for other in (off.pk, elsewhere.pk, cloud.account.pk, UNKNOWN):
        with pytest.raises(AuthenticationError) as caught:
            acting(cloud, head, other).user.whoami()
        answers.add((str(caught.value), str(caught.value.data)))

    assert answers == {("400: Authentication failed.", "None")}


def test_t036_managers_without_an_organisation_share_none(cloud: Cloud) -> None:
    """Two accounts whose organisation is null are not of the same one."""
    cloud.account.is_manager = True  # not saved: the database refuses such a row

    assert not cloud.account.managed().exists()
    with pytest.raises(ValidationError, match="A manager belongs to an organisation"):
        cloud.account.validate_constraints()


def test_t036_only_the_caller_s_key_signs(cloud: Cloud, head: Account, pupil: Account) -> None:
    for user, key in (
        (f"{head.pk}/{pupil.pk}", pupil.api_key),
        (f"{pupil.pk}/{pupil.pk}", head.api_key),
        (f"{UNKNOWN}/{pupil.pk}", head.api_key),
        (f"{head.pk}/{pupil.pk}", "x" * 40),
    ):
        with pytest.raises(AuthenticationError):
            CloudKey(user, key, cloud.base_url).user.whoami()


def test_t036_other_cannot_be_put_in_front_of_a_signed_call(
    cloud: Cloud, head: Account, pupil: Account
) -> None:
    """The other is signed: a captured call of a manager is not one of somebody else."""
    client = Python2(cloud, head)
    client.act_as_user(pupil.pk)
    assert client.call("user.whoami")["id"] == pupil.pk

    with pytest.raises(AuthenticationError):
        acting(cloud, head, f"{head.pk}{pupil.pk}").user.whoami()


# Requests of one signature (a07)


@pytest.mark.parametrize(
    ("honest", "forged"),
    [
        pytest.param({"page": 1}, {"page": "1"}, id="T037-text"),
        pytest.param({"page": 1, "per_page": 2}, {"page": "1per_page2"}, id="T037-glued"),
        pytest.param({"fields": ["id", "created"]}, {"fields": "idcreated"}, id="T037-list"),
        pytest.param({"fields": ["id", "created"]}, {"fields": {"id": "created"}}, id="T037-map"),
        pytest.param({"fields": ["id", "created"]}, {"fieldsid": "created"}, id="T037-name"),
        pytest.param({"fields": ["id"], "page": 1}, {"fields": ["idpage1"]}, id="T037-last"),
        pytest.param({"page": 1}, {"page": [1]}, id="T037-number"),
        pytest.param({"page": 1}, {"page": True}, id="T037-true"),
        pytest.param({"page": None}, {"page": ""}, id="T037-null"),
    ],
)
def test_other_types_and_glued_keys_of_one_signature_are_refused(
    cloud: Cloud, honest: dict[str, Any], forged: dict[str, Any]
) -> None:
    captured = json.loads(signed(cloud.account, {**LIST, "args": honest}))["auth"]

    answer = call(cloud, json.dumps({**LIST, "args": forged, "auth": captured}).encode())

    assert code_of(answer) in (400, 630)


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        pytest.param({"args": {"id": "{m}metatitlex"}}, 630, id="T037-one"),
        pytest.param({"args": {"id{m}metatitle": "x"}}, 630, id="T037-key"),
        pytest.param({"args": {"id": "{m}", "meta": "titlex"}}, 630, id="T037-meta"),
        pytest.param({"args": {"id": "{m}", "meta": ["title", "x"]}}, 630, id="T037-meta-list"),
        pytest.param({"args": {"id": "{m}", "metatitle": "x"}}, 630, id="T037-metatitle"),
        pytest.param({"args": "id{m}metatitlex"}, 600, id="T037-args"),
        pytest.param({"args": ["id", "{m}", "metatitlex"]}, 600, id="T037-args-list"),
        pytest.param({"argsid{m}metatitlexcall": "media.set_meta"}, 600, id="T037-member"),
    ],
)
def test_other_requests_of_the_same_signature_are_refused(
    cloud: Cloud, media: str, forged: dict[str, Any], code: int
) -> None:
    request = {"call": "media.set_meta", "args": {"id": media, "meta": {"title": "x"}}}
    captured = json.loads(signed(cloud.account, request))["auth"]
    other = json.loads(json.dumps(forged).replace("{m}", media))
    other = {"call": "media.set_meta", **other} if "args" in other else other
    assert normalize(other) == normalize(request)

    answer = call(cloud, json.dumps({**other, "auth": captured}).encode())

    assert code_of(answer) == code
    assert cloud.client.media.get_meta(id=media) == {"title": "First", "note": "x"}


def test_t038_signature_of_set_meta_does_not_delete(cloud: Cloud, media: str) -> None:
    meta = {"title": "xcallmedia.delete"}
    request = {"call": "media.set_meta", "args": {"id": media, "meta": meta}}
    captured = json.loads(signed(cloud.account, request))["auth"]
    forged = {
        "call": "media.delete",
        "args": {"id": media, "metatitle": "x"},
        "callmedia.set_meta": "",
    }
    assert normalize(forged) == normalize(request)

    answer = call(cloud, json.dumps({**forged, "auth": captured}).encode())

    assert answer["error"] == {
        "code": 600,
        "message": "A request has no member 'callmedia.set_meta'.",
    }
    assert cloud.client.media.info(id=media, fields=["id"]) == {"id": media}


# Again


def test_t039_captured_call_lives_as_long_as_its_key(cloud: Cloud) -> None:
    """The scheme has no time in it; the guide says so, and that it takes TLS."""
    captured = signed(cloud.account, {"call": "media.create"})

    answers = [call(cloud, captured)["result"]["id"] for _ in range(2)]
    cloud.account.api_key = "0" * 40
    cloud.account.save()

    assert call(cloud, captured) == REFUSED
    assert {media.pk for media in Media.objects.all()} == set(answers)
    assert len(set(answers)) == 2


@pytest.mark.parametrize(
    "header",
    [
        pytest.param('CLOUDKEY2-HMAC-SHA256 user="{own}", kid="a", ts=1, nonce="n", sig="s"',
                     id="T041"),
        pytest.param('CLOUDKEY2-HMAC-SHA256 user="{other}"', id="T042"),
        pytest.param("cloudkey2-hmac-sha256", id="T042-lower"),
        pytest.param("CLOUDKEY3-HMAC-SHA512 x", id="T042-later"),
    ],
)  # fmt: skip
def test_a_header_that_signs_nothing_is_refused_whatever_the_body_says(
    cloud: Cloud, stranger: CloudKey, header: str
) -> None:
    value = header.format(own=cloud.account.pk, other=stranger.user_id)

    for body in (signed(cloud.account, LIST), json.dumps(LIST).encode(), b""):
        assert code_of(call(cloud, body, Authorization=value)) == 400


def test_t042_authorization_of_others_is_not_ours_to_judge(cloud: Cloud) -> None:
    """A site behind a password sends that with every request."""
    for value in ("Basic dXNlcjpwYXNz", "Bearer CLOUDKEY2-HMAC-SHA256"):
        assert code_of(call(cloud, signed(cloud.account, LIST), Authorization=value)) == 0


# What published clients send


@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(vector, id=f"T043-{number}-{vector['input']['call']}")
        for number, vector in enumerate(VECTORS)
        if vector["kind"] == "rpc_sign" and "act_as_user" not in vector["input"]
    ],
)
def test_signature_of_every_published_client_is_accepted(
    cloud: Cloud, vector: dict[str, Any]
) -> None:
    given = vector["input"]
    Account.objects.create(pk=given["user_id"], name="historical", api_key=given["api_key"])
    request = {name: given[name] for name in ("call", "args") if name in given}

    answer = call(cloud, json.dumps({**request, "auth": vector["expected"]}).encode())

    assert answer != REFUSED


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param("1e-05", "1e-05", id="T043-python-2"),
        pytest.param("1.0E+15", "1.0E+15", id="T043-php"),
        pytest.param("1.0E7", "1.0E7", id="T043-java"),
        pytest.param("1e15", "1.0e+15", id="T043-ruby"),
        pytest.param("0.30000000000000004", "0.3", id="T043-12-digits"),
        pytest.param("1.50", "1.50", id="T043-as-written"),
        pytest.param("true", "True", id="T043-python-1.1"),
        pytest.param("true", "1", id="T043-php-2010"),
    ],
)
def test_each_dialect_of_numbers_and_booleans_is_accepted(
    cloud: Cloud, number: str, text: str
) -> None:
    signed_as = {"call": "media.create", "args": {"meta": {"n": text}}}
    auth = sign_call(cloud.account.pk, signed_as, cloud.account.api_key)
    body = f'{{"call": "media.create", "args": {{"meta": {{"n": {number}}}}}, "auth": "{auth}"}}'

    assert set(call(cloud, body.encode())["result"]) == {"id"}


# Keys that can be guessed, and guessing


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        pytest.param("0123456789abcdef0123456789abcde", "32 characters or more", id="T044-short"),
        pytest.param(12345678, "visible ASCII", id="T044-number"),
        pytest.param("{user}", "USER_ID", id="T044-user"),
        pytest.param("{user}{user}", "USER_ID", id="T044-user-twice"),
        pytest.param(" 0123456789abcdef0123456789abcdef", "spaces", id="T044-space"),
        pytest.param("0123456789abcdef0123456789abcdef\n", "spaces", id="T044-newline"),
    ],
)
def test_weak_key_is_an_error_of_the_settings(settings: Any, key: Any, reason: str) -> None:
    account = settings.CLOUDKEYS["default"]
    key = key.format(user=account["USER_ID"]) if isinstance(key, str) else key
    settings.CLOUDKEYS = {"default": {**account, "API_KEY": key}}

    (message,) = check_accounts(None)

    assert message.id in ("cloudkey.E002", "cloudkey.E003")
    assert reason in message.msg
    assert str(key) not in message.msg


def test_t044_key_of_an_account_is_long_enough(settings: Any, account: Account) -> None:
    given = {**settings.CLOUDKEYS["default"], "USER_ID": account.pk, "API_KEY": account.api_key}
    settings.CLOUDKEYS = {"default": given}

    assert check_accounts(None) == []


def test_t045_wrong_digests_are_limited_and_lock_nobody_out(cloud: Cloud, settings: Any) -> None:
    """A few in place of 10^6: the counter is one row however many there are."""
    settings.CLOUDKEY_SERVER = {
        **settings.CLOUDKEY_SERVER,
        "AUTH_FAILURE_LIMIT": 5,
        "TRUSTED_PROXIES": ["127.0.0.1"],
    }
    attacker, owner = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    right, wrong = signed(cloud.account, LIST), {**LIST, "auth": f"{cloud.account.pk}:{'0' * 32}"}

    def guess(headers: dict[str, str]) -> int:
        return code_of(call(cloud, json.dumps(wrong).encode(), **headers))

    assert [guess(attacker) for _ in range(40)] == [400] * 5 + [410] * 35
    assert code_of(call(cloud, right, **owner)) == 0
    assert guess(owner) == 400
    assert code_of(call(cloud, right, **attacker)) == 0
    assert RateCounter.objects.count() == 2
    RateCounter.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert guess(attacker) == 400
