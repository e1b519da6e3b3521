"""
Users, organisations and resets, as the suites of the historical clients ask for them.

Numbers are those of the protocol reference: P and B of its §8, X of its contradictions, T of the
list of threats.
"""

from __future__ import annotations

import itertools
import json
from io import StringIO
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command

from django_cloudkey.client import AuthenticationError, CloudKey, InvalidObject, InvalidParameter
from django_cloudkey.server import files
from django_cloudkey.server.models import Account, Asset, Media, Organisation, new_id
from django_cloudkey.server.rpc.methods.system import BATCH
from django_cloudkey.server.worker import tidy_up

from ..conftest import Cloud
from .historical import PHP, Failure, Python2

UNKNOWN = "1b87186c84e1b015a0000000"


def client_of(cloud: Cloud, account: Account, acting_as: str = "") -> CloudKey:
    client = CloudKey(account.pk, account.api_key, cloud.base_url)
    if acting_as:
        client._caller = f"{account.pk}/{acting_as}"  # whatever it is: a client would refuse some
    return client


# Who am I


def test_p2_info_has_the_id_of_the_caller(cloud: Cloud) -> None:
    assert PHP(cloud).call("user.info", {"fields": ["id"]}) == {"id": cloud.account.pk}


def test_p3_info_has_both_keys(cloud: Cloud) -> None:
    answer = PHP(cloud).call("user.info", {"fields": ["id", "username"]})

    assert answer == {"id": cloud.account.pk, "username": "demo"}


def test_p3_every_documented_field_but_the_key_is_there(cloud: Cloud) -> None:
    fields = [
        "id", "username", "first_name", "last_name", "email", "created", "last_login", "is_active",
        "api_key", "permissions", "streaming_active",
    ]  # fmt: skip

    answer = PHP(cloud).call("user.info", {"fields": fields})

    assert set(answer) == {*fields} - {"api_key"}
    assert type(answer["created"]) is int
    assert answer["last_login"] is None
    assert (answer["is_active"], answer["streaming_active"]) == (True, True)
    assert answer["permissions"] == []


def test_x13_whoami_and_info_are_the_same(cloud: Cloud) -> None:
    client = Python2(cloud, cloud.account)

    assert client.call("user.whoami") == client.call("user.info") == cloud.client.user.whoami()


def test_x16_info_of_another_is_refused_and_of_oneself_is_not(
    cloud: Cloud, head: Account, pupil: Account
) -> None:
    client = Python2(cloud, pupil)

    assert client.call("user.info", id=pupil.pk)["username"] == "pupil"
    for other in (head.pk, cloud.account.pk, UNKNOWN):
        with pytest.raises(Failure, match=r"400: Only one's own user can be asked for"):
            client.call("user.info", id=other)


def test_manager_asks_for_users_of_its_organisation(
    cloud: Cloud, head: Account, pupil: Account
) -> None:
    pupil.is_active = False
    pupil.save()
    users = client_of(cloud, head).user

    answer = users.info(id=pupil.pk, fields=["username", "is_active", "org_id"])

    assert answer == {"username": "pupil", "is_active": False, "org_id": head.organisation_id}
    assert users.info(fields=["permissions"]) == {"permissions": ["manager"]}
    for other in (cloud.account.pk, UNKNOWN):
        with pytest.raises(AuthenticationError, match="Only one's own user can be asked for"):
            users.info(id=other)


def test_long_call_of_php_waits_for_the_server_s_word(cloud: Cloud) -> None:
    """libcurl sends Expect: 100-continue before a body of more than 1024 bytes."""
    meta = {"title": "a/b " * 400, "url": "http://www.example.org/"}

    media = PHP(cloud).call("media.create", {"meta": meta})["id"]

    assert cloud.client.media.get_meta(id=media) == meta


def test_php_behind_a_proxy_speaks_http_1_0(cloud: Cloud) -> None:
    assert PHP(cloud).call("user.info", {"fields": ["id"]}, http="1.0") == {"id": cloud.account.pk}


# Acting as another


def test_b11_anonymous_is_refused(cloud: Cloud) -> None:
    with pytest.raises(Failure, match="400: Authentication failed"):
        Python2(cloud).call("user.whoami")


def test_b11_switching_takes_effect_at_once(cloud: Cloud, head: Account, pupil: Account) -> None:
    client = Python2(cloud, head)

    assert client.call("user.whoami")["username"] == "head"
    client.act_as_user(pupil.pk)
    assert client.call("user.whoami")["username"] == "pupil"
    client.act_as_user(head.pk)
    assert client.call("user.whoami")["username"] == "head"
    client.act_as_user(UNKNOWN)
    with pytest.raises(Failure, match="400: Authentication failed"):
        client.call("user.whoami")
    client.act_as_user("")
    assert client.call("user.whoami")["username"] == "head"


def test_b11_manager_works_on_the_other_s_media(
    cloud: Cloud, head: Account, pupil: Account
) -> None:
    own = Media.objects.create(account=head)
    theirs = Media.objects.create(account=pupil)
    acting = client_of(cloud, head, acting_as=pupil.pk)

    made = acting.media.create(meta={"title": "x"})["id"]
    acting.media.set_meta(id=theirs.pk, meta={"seen": True})
    listed = {media["id"] for media in acting.media.list(fields=["id"])["list"]}

    assert Media.objects.get(pk=made).account == pupil
    assert listed == {theirs.pk, made}
    assert client_of(cloud, pupil).media.get_meta(id=theirs.pk) == {"seen": True}
    assert client_of(cloud, head).media.list(fields=["id"])["list"] == [{"id": own.pk}]


def test_b11_upload_of_who_acts_is_the_other_s(cloud: Cloud, head: Account, pupil: Account) -> None:
    acting = client_of(cloud, head, acting_as=pupil.pk)
    url = acting.file.upload_file(ContentFile(b"x", name="x.mp4"))["url"]

    with pytest.raises(InvalidParameter):
        client_of(cloud, head).media.create(url=url)
    assert Media.objects.get(pk=acting.media.create(url=url)["id"]).account == pupil


def test_x8_b11_who_manages_nothing_acts_as_nobody(
    cloud: Cloud, head: Account, pupil: Account
) -> None:
    sibling = Account.objects.create(name="sibling", organisation=pupil.organisation)

    for caller in (pupil, cloud.account):
        for other in (head, sibling, cloud.account, pupil):
            with pytest.raises(AuthenticationError, match=r"^400: Authentication failed\.$"):
                client_of(cloud, caller, acting_as=other.pk).media.list()


def test_manager_who_is_switched_off_acts_as_nobody(
    cloud: Cloud, head: Account, pupil: Account
) -> None:
    Account.objects.filter(pk=head.pk).update(is_active=False)

    with pytest.raises(AuthenticationError):
        client_of(cloud, head, acting_as=pupil.pk).user.whoami()


# Organisations


def test_organisation_of_a_manager(cloud: Cloud, head: Account, school: Organisation) -> None:
    assert client_of(cloud, head).organisation.get() == {"id": school.pk, "name": "school"}


def test_who_manages_nothing_learns_of_no_organisation(cloud: Cloud, pupil: Account) -> None:
    for account in (pupil, cloud.account):
        for call in ("organisation.get", "user.search"):
            with pytest.raises(AuthenticationError, match="400: Only a manager of an organisation"):
                client_of(cloud, account).call(call)


def test_acting_as_another_gives_up_the_manager_s_rights(
    cloud: Cloud, head: Account, pupil: Account
) -> None:
    with pytest.raises(AuthenticationError, match="400: Only a manager of an organisation"):
        client_of(cloud, head, acting_as=pupil.pk).user.search()


def test_migration_walks_through_all_users(cloud: Cloud, head: Account) -> None:
    """What the exporter of 2015 does: search, then act as each."""
    Account.objects.bulk_create(
        Account(name=f"user {number:02}", organisation=head.organisation) for number in range(11)
    )
    org_id = client_of(cloud, head).organisation.get()["id"]
    found = []

    for page in itertools.count(1):
        answer = client_of(cloud, head).user.search(
            org_id=org_id, fields=["id", "username"], page=page, per_page=5
        )
        assert set(answer) == {
            "list", "page", "pages", "per_page", "on_this_page", "total", "has_more",
        }  # fmt: skip
        assert (answer["page"], answer["pages"], answer["total"]) == (page, 3, 12)
        found += answer["list"]
        if not answer["has_more"]:
            break

    assert [user["username"] for user in found] == ["head", *(f"user {n:02}" for n in range(11))]
    for user in found:
        acting = client_of(cloud, head, acting_as=user["id"])
        assert acting.user.info(fields=["id"]) == {"id": user["id"]}


def test_search_of_another_organisation_is_refused(cloud: Cloud, head: Account) -> None:
    other = Organisation.objects.create(name="other")

    for org_id in (other.pk, UNKNOWN):
        with pytest.raises(AuthenticationError, match="400: Only one's own organisation"):
            client_of(cloud, head).user.search(org_id=org_id)


def test_search_without_fields_shows_no_key(cloud: Cloud, head: Account, pupil: Account) -> None:
    answer = client_of(cloud, head).user.search()

    assert answer["list"][1]["username"] == "pupil"
    assert head.api_key not in json.dumps(answer)
    assert pupil.api_key not in json.dumps(answer)


# What is the operator's, and what is not here


@pytest.mark.parametrize(
    ("call", "args"),
    [
        ("user.create", {"username": "new", "password": "x"}),
        ("user.set", {"fields": {"username": "new", "email": "a@b"}}),
        ("user.delete", {"id": UNKNOWN}),
        ("user.list", {}),
    ],
)
def test_b10_accounts_are_made_by_the_operator(
    cloud: Cloud, head: Account, call: str, args: dict[str, Any]
) -> None:
    before = Account.objects.count()

    for account in (cloud.account, head):
        with pytest.raises(Failure, match=r"400: Accounts are the operator's: manage\.py"):
            Python2(cloud, account).call(call, **args)

    assert Account.objects.count() == before


def test_b10_typed_methods_of_the_client_are_refused_too(cloud: Cloud) -> None:
    user = cloud.client.user
    refused = "Accounts are the operator's"

    with pytest.raises(AuthenticationError, match=refused):
        user.create(username="x")
    with pytest.raises(AuthenticationError, match=refused):
        user.set(fields={"username": "x"})
    with pytest.raises(AuthenticationError, match=refused):
        user.delete(id=UNKNOWN)
    with pytest.raises(AuthenticationError, match=refused):
        user.list()


@pytest.mark.parametrize(
    ("call", "args"),
    [
        ("encoding_settings.reset", {}),
        ("encoding_settings.enable_asset", {"asset": "mp4_h264_aac"}),
        ("encoding_settings.get_active_assets", {}),
        ("farm.add_node", {"name": "a", "node": "b", "weight": 1}),
        ("farm.get_node", {"name": "a"}),
        ("farm.list_node", {}),
        ("farm.select_node", {"name": "a", "content": "c"}),
        ("player_preset.list", {}),
        ("live_streaming.get_publish_url", {"id": UNKNOWN}),
    ],
)
def test_b9_b12_what_is_not_here_says_so(cloud: Cloud, call: str, args: dict[str, Any]) -> None:
    object_ = call.partition(".")[0]

    with pytest.raises(InvalidObject, match=f"610: There is no object '{object_}'"):
        cloud.client.call(call, **args)


# Resets


@pytest.fixture
def tester(cloud: Cloud) -> Account:
    return Account.objects.create(name="tester", is_test=True)


def media_with_file(account: Account) -> Media:
    media = Media.objects.create(account=account)
    file = files.storage().save(f"media/{account.pk}/{media.pk}/a.mp4", ContentFile(b"x"))
    Asset.objects.create(media=media, name="mp4_h264_aac", status="ready", file=file)
    return media


@pytest.mark.parametrize("call", ["system.reset", "media.reset"])
def test_p4_x15_reset_deletes_the_media_of_a_test_account(
    cloud: Cloud, tester: Account, call: str
) -> None:
    kept = media_with_file(cloud.account)
    for _ in range(3):
        media_with_file(tester)
    args = {"object": "media"} if call == "system.reset" else None

    assert PHP(cloud, tester).call(call, args) is None
    assert PHP(cloud, tester).call(call, args) is None
    tidy_up()

    assert list(Media.objects.all()) == [kept]
    assert list(files.names_under("media")) == [kept.assets.get().file]


def test_x15_reset_of_many_media_goes_on_until_the_end(cloud: Cloud, tester: Account) -> None:
    Media.objects.bulk_create(
        Media(id=new_id(), account=tester) for _ in range(2 * BATCH + BATCH // 2)
    )

    client_of(cloud, tester).system.reset()

    assert not Media.objects.exists()


def test_x15_other_accounts_are_not_reset(cloud: Cloud, head: Account, tester: Account) -> None:
    media = Media.objects.create(account=cloud.account)

    for account in (cloud.account, head):
        client = client_of(cloud, account)
        for call in (client.system.reset, client.media.reset):
            with pytest.raises(AuthenticationError, match="400: Only an account for tests can be"):
                call()

    assert list(Media.objects.all()) == [media]


@pytest.mark.parametrize("args", [{}, {"object": "user"}, {"object": ["media"]}, {"object": ""}])
def test_only_media_can_be_reset(cloud: Cloud, tester: Account, args: dict[str, Any]) -> None:
    Media.objects.create(account=tester)

    with pytest.raises(InvalidParameter, match=r"630: Invalid parameters for system\.reset: obj"):
        client_of(cloud, tester).call("system.reset", **args)

    assert Media.objects.count() == 1


# The command


def create(*arguments: str) -> Account:
    output = StringIO()
    call_command("cloudkey_account", "create", *arguments, "--json", stdout=output)
    return Account.objects.get(pk=json.loads(output.getvalue())["user_id"])


def test_command_makes_managers_and_test_accounts(cloud: Cloud) -> None:
    manager = create("head", "--organisation", " School ", "--manager")
    member = create("pupil", "--organisation", "School")
    tester = create("tester", "--test")

    assert (manager.is_manager, manager.is_test) == (True, False)
    assert manager.organisation == member.organisation == Organisation.objects.get(name="School")
    assert (member.is_manager, tester.organisation, tester.is_test) == (False, None, True)
    acting = client_of(cloud, manager, acting_as=member.pk)
    assert acting.user.whoami()["username"] == "pupil"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--manager",), "A manager needs an --organisation"),
        (("--organisation", " "), "A name has 1 to 64 characters"),
        (("--organisation", "x" * 65), "A name has 1 to 64 characters"),
    ],
)
def test_command_refuses_what_makes_no_sense(
    cloud: Cloud, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        create("head", *arguments)

    assert not Organisation.objects.exists()


def test_failed_create_leaves_no_organisation(cloud: Cloud) -> None:
    with pytest.raises(CommandError, match="There is an account named"):
        create("demo", "--organisation", "School")

    assert not Organisation.objects.exists()
