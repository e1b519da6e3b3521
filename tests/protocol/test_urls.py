from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from django_cloudkey.protocol.assets import ASSET_NAMES, PROTOCOLS
from django_cloudkey.protocol.exceptions import InvalidParameter
from django_cloudkey.protocol.urls import (
    Address,
    Page,
    Stream,
    Thumbnail,
    UploadedFile,
    check_id,
    is_media_id,
    parse,
    stream_address,
)

USER = "4d0c0ffee000000000000001"
MEDIA = "4d0c0ffee0000000000000a1"

ids = st.text("0123456789abcdef", min_size=24, max_size=24)
versions = st.none() | st.integers(0, 10**18 - 1)
extensions = st.just("") | st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=10)

pages = st.builds(
    Page,
    user=ids,
    media=ids,
    kind=st.sampled_from(["embed", "player/embed", "player/swf", "stream"]),
)
streams = st.builds(
    Stream,
    user=ids,
    media=ids,
    asset_name=st.sampled_from(sorted(ASSET_NAMES)),
    extension=extensions,
    version=versions,
    protocol=st.sampled_from(["", *PROTOCOLS]),
)
stills = st.builds(
    Thumbnail,
    user=ids,
    media=ids,
    asset_name=st.sampled_from(["jpeg_thumbnail_small", "jpeg_thumbnail_source"]),
    version=versions,
)
old_stills = st.builds(
    Thumbnail,
    user=ids,
    media=ids,
    asset_name=st.just("jpeg_thumbnail_medium"),
    version=st.integers(0, 10**18 - 1),
    expires=st.from_regex(r"[1-9][0-9]{9}", fullmatch=True),
)
uploads = st.builds(
    UploadedFile,
    id=st.text("0123456789abcdef", min_size=32, max_size=32),
    extension=extensions,
)


@given(pages | streams | stills | old_stills | uploads)
def test_every_address_parses_to_itself(address: Address) -> None:
    assert parse(address.path) == address


GRAMMAR = re.compile(
    r"""
    (player/)?embed/U/U | player/swf/U/U | stream/U/U\.mov
    | route(/(hls|rtmp|hps|http|ss|hds|dash))?/U/U/[a-z][a-z0-9]*(_[a-z0-9]+)*
      (-(0|[1-9][0-9]{0,17}))?(\.[a-z0-9]{1,10})?
    | U/U/jpeg_thumbnail_[a-z]+(-[1-9][0-9]{9}-(0|[1-9][0-9]{0,17})|-(0|[1-9][0-9]{0,17}))?\.jpeg
    | files/[0-9a-f]{32}(\.[a-z0-9]{1,10})?
    """.replace("U", "[0-9a-f]{24}"),
    re.ASCII | re.VERBOSE,
)


@given(pages | streams | stills | uploads, st.data())
def test_no_change_of_one_character_leaves_the_grammar_and_parses(
    address: Address, data: st.DataObject
) -> None:
    path = address.path
    position = data.draw(st.integers(0, len(path)))
    removed = data.draw(st.integers(0, 1))
    added = data.draw(st.text(st.sampled_from("a0F/.-_%\n\0?#;é٣ "), max_size=2))
    changed = path[:position] + added + path[position + removed :]

    parsed = parse(changed)

    assert (parsed is not None) == (GRAMMAR.fullmatch(changed) is not None)
    assert parsed is None or parsed.path == changed


@given(st.text(max_size=80))
@example("")
@example("/")
def test_other_texts_do_not_parse(text: str) -> None:
    assert parse(text) is None


STREAM = f"route/{USER}/{MEDIA}/mp4_h264_aac"


@pytest.mark.parametrize(
    "path",
    [
        f"embed/{USER}/../{MEDIA}",
        f"embed/{USER}/{MEDIA}/..",
        f"embed/{USER}/%2e%2e/{MEDIA}",
        f"embed/{USER}/{MEDIA}%2e",
        f"embed/{USER}//{MEDIA}",
        f"/embed/{USER}/{MEDIA}",
        f"embed/{USER}/{MEDIA}/",
        f"embed/{USER}/{MEDIA}\n",
        f"embed/{USER}/{MEDIA}\0",
        f"embed/{USER}/{MEDIA};x",
        f"embed/{USER}/{MEDIA}?auth=1",
        f"embed/{USER.upper()}/{MEDIA}",
        f"embed/{USER}/{MEDIA.upper()}",
        f"embed/{USER}/{MEDIA[:-1]}",
        f"embed/{USER}/{MEDIA}0",
        f"embed/{USER}/{MEDIA[:-1]}١",  # an Arabic digit
        f"Embed/{USER}/{MEDIA}",
        f"player/stream/{USER}/{MEDIA}",
        f"stream/{USER}/{MEDIA}",
        f"stream/{USER}/{MEDIA}.mp4",
        f"{STREAM}-",
        f"{STREAM}-.mp4",
        f"{STREAM}-01.mp4",
        f"{STREAM}--1.mp4",
        f"{STREAM}-+1.mp4",
        f"{STREAM}-1_0.mp4",
        f"{STREAM}-１.mp4",  # a full-width digit
        f"{STREAM}-{10**18}.mp4",
        f"{STREAM}.",
        f"{STREAM}.MP4",
        f"{STREAM}.mp4\n",
        f"{STREAM}.tar.gz",
        f"{STREAM}.mp4/",
        f"{STREAM}_.mp4",
        f"{STREAM}%2emp4",
        f"route/{USER}/{MEDIA}/../../x",
        f"route/{USER}/{MEDIA}/",
        f"route/ftp/{USER}/{MEDIA}/abs",
        f"route/HLS/{USER}/{MEDIA}/abs",
        f"{USER}/{MEDIA}/jpeg_thumbnail_.jpeg",
        f"{USER}/{MEDIA}/jpeg_thumbnail_medium.jpg",
        f"{USER}/{MEDIA}/jpeg_thumbnail_medium-123456789-1.jpeg",
        f"{USER}/{MEDIA}/mp4_h264_aac.mp4",
        f"files/{'0' * 31}.mp4",
        f"files/{'0' * 32}/x",
        f"files/{'0' * 32}.mp4\n",
    ],
)
def test_path_outside_the_grammar_does_not_parse(path: str) -> None:
    assert parse(path) is None


def test_an_asset_without_protocol_and_version_is_read() -> None:
    assert parse(f"{STREAM}-0.mp4") == Stream(
        user=USER, media=MEDIA, asset_name="mp4_h264_aac", extension="mp4", version=0
    )


BAD_IDS: list[Any] = [
    "",
    "../../route/http/other/secret",
    f"{MEDIA}?auth=1",
    f"{MEDIA}#x",
    f"{MEDIA}/",
    f"{MEDIA}\n",
    MEDIA.upper(),
    MEDIA[:-1],
    MEDIA + "0",
    MEDIA[:-1] + "٣",
    "%2e%2e",
    None,
    1,
    MEDIA.encode(),
    [MEDIA],
    {"$ne": None},
]


@pytest.mark.parametrize("value", BAD_IDS)
def test_nothing_else_is_an_id(value: Any) -> None:
    assert not is_media_id(value)
    with pytest.raises(InvalidParameter, match=r"^630: id is not valid: 24 lower-case hexadec"):
        check_id(value)


def test_an_id_is_returned_as_it_is() -> None:
    assert check_id(MEDIA) == MEDIA


@pytest.mark.parametrize("media", BAD_IDS)
def test_no_stream_address_is_made_for_what_is_no_id(media: Any) -> None:
    with pytest.raises(InvalidParameter, match="id is not valid"):
        stream_address(USER, media, "mp4_h264_aac")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"asset_name": "../secret"}, "'../secret' is not the name of an asset."),
        ({"asset_name": "mp4\n"}, r"'mp4\n' is not the name of an asset."),
        ({"asset_name": "MP4"}, "'MP4' is not the name of an asset."),
        ({"asset_name": ""}, "'' is not the name of an asset."),
        ({"asset_name": "mp4?auth=1"}, "'mp4?auth=1' is not the name of an asset."),
        ({"asset_name": 7}, "7 is not the name of an asset."),
        ({"asset_name": "jpeg_thumbnail_1"}, "'jpeg_thumbnail_1' is not the name of an asset."),
        ({"protocol": "ftp"}, "ftp is not a valid streaming protocol"),
        ({"protocol": "../x"}, "../x is not a valid streaming protocol"),
        ({"asset_name": "abs"}, "protocol is required for abs asset_name"),
        ({"version": -1}, "version must be a positive whole number, got -1."),
        ({"version": "1"}, "version must be a positive whole number, got '1'."),
        ({"version": 1.5}, "version must be a positive whole number, got 1.5."),
        ({"version": True}, "version must be a positive whole number, got True."),
        ({"version": 10**18}, f"version must be a positive whole number, got {10**18}."),
        ({"version": "1/../x"}, "version must be a positive whole number, got '1/../x'."),
        ({"extension": "../x"}, "'../x' is not a file name extension."),
        ({"extension": "mp4?auth=1"}, "'mp4?auth=1' is not a file name extension."),
    ],
)
def test_p22_stream_address_refuses(options: dict[str, Any], message: str) -> None:
    arguments = {"asset_name": "mp4_h264_aac", **options}

    with pytest.raises(InvalidParameter) as caught:
        stream_address(USER, MEDIA, **arguments)

    assert caught.value.message == message
    assert caught.value.code == 630


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"asset_name": "mp4_h264_aac"}, f"{STREAM}.mp4"),
        ({"asset_name": "mp4_h264_aac", "version": 7}, f"{STREAM}-7.mp4"),
        ({"asset_name": "mp4_h264_aac", "version": 0}, f"{STREAM}.mp4"),
        ({"asset_name": "source"}, f"route/{USER}/{MEDIA}/source.source"),
        ({"asset_name": "source", "extension": ""}, f"route/{USER}/{MEDIA}/source"),
        ({"asset_name": "source", "extension": "mov"}, f"route/{USER}/{MEDIA}/source.mov"),
        ({"asset_name": "abs", "protocol": "hls"}, f"route/hls/{USER}/{MEDIA}/abs"),
        (
            {"asset_name": "jpeg_thumbnail_small", "version": 3},
            f"{USER}/{MEDIA}/jpeg_thumbnail_small-3.jpeg",
        ),
        (
            {"asset_name": "jpeg_thumbnail_small", "protocol": "http"},
            f"{USER}/{MEDIA}/jpeg_thumbnail_small.jpeg",
        ),
    ],
)
def test_stream_address_is_written_as_the_sdks_do(options: dict[str, Any], path: str) -> None:
    address = stream_address(USER, MEDIA, **options)

    assert address.path == path
    assert parse(path) == address


@given(
    st.sampled_from(sorted(ASSET_NAMES)),
    st.none() | st.integers(0, 10**18 - 1),
    st.sampled_from(PROTOCOLS),
)
def test_every_stream_address_is_inside_the_grammar(
    asset_name: str, version: int | None, protocol: str
) -> None:
    address = stream_address(USER, MEDIA, asset_name, version=version, protocol=protocol)

    assert parse(address.path) == address
