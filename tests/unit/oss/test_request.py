"""Requests, as the operations build them."""

import pytest

from worker.oss.names import ObjectRef
from worker.oss.request import (
    Billing,
    Request,
    bucket_info,
    delete_object,
    get_style,
    head_object,
    list_objects,
    process_object,
)


def test_a_process_is_posted_to_the_source_raw_and_with_no_header_of_its_own() -> None:
    request = process_object(ObjectRef("photos", "a b.jpg"), "image/resize,w_100|sys/saveas,o_YQ,b_YmJi")
    assert request == Request(
        "POST",
        "photos",
        "a b.jpg",
        (("x-oss-process", ""),),
        (),
        b"x-oss-process=image/resize,w_100|sys/saveas,o_YQ,b_YmJi",
    )


def test_head_and_bucket_info_name_what_they_ask_about() -> None:
    assert head_object(ObjectRef("photos", "a.jpg")) == Request("HEAD", "photos", "a.jpg")
    assert delete_object(ObjectRef("photos", "a.jpg")) == Request("DELETE", "photos", "a.jpg")
    assert get_style("photos", "w") == Request("GET", "photos", "", (("style", ""), ("styleName", "w")))
    assert bucket_info("photos") == Request("GET", "photos", "", (("bucketInfo", ""),))


@pytest.mark.parametrize(
    ("prefix", "token", "more"),
    [
        ("", "", ()),
        ("a b/", "", (("prefix", "a b/"),)),
        ("", "t==", (("continuation-token", "t=="),)),
        ("p", "t", (("prefix", "p"), ("continuation-token", "t"))),
    ],
)
def test_a_listing_asks_for_encoded_keys_and_only_for_what_is_given(
    prefix: str, token: str, more: tuple[tuple[str, str], ...]
) -> None:
    request = list_objects("photos", prefix, token, max_keys=7)
    assert request == Request(
        "GET", "photos", "", (("list-type", "2"), ("encoding-type", "url"), ("max-keys", "7"), *more)
    )


def test_headers_and_query_are_added_at_the_end() -> None:
    request = Request("GET", query=(("a", "1"),), headers=(("b", "2"),))
    assert request.with_query(("c", "3")).query == (("a", "1"), ("c", "3"))
    assert request.with_headers(("d", "4")).headers == (("b", "2"), ("d", "4"))
    assert request.query == (("a", "1"),)


def test_the_repr_shows_neither_signature_nor_token() -> None:
    request = Request("GET", query=(("x-oss-signature", "made-up"),), headers=(("authorization", "made-up"),))
    assert "made-up" not in repr(request)


def test_listings_and_writes_are_billed_as_put_and_the_rest_as_get() -> None:
    a = ObjectRef("photos", "a.jpg")
    for request in (head_object(a), bucket_info("photos"), get_style("photos", "w"), process_object(a, "style/w")):
        assert (request.billing, request.lists) == (Billing.GET, False)
    assert (list_objects("photos", "").billing, list_objects("photos", "").lists) == (Billing.PUT, True)
    assert (Request("PUT", "photos", "a").billing, Request("PUT", "photos", "a").lists) == (Billing.PUT, False)
