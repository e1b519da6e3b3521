"""
Calls that may be sent twice and are carried out once.

A client that lost the answer to ``media.create`` cannot know whether there is a media. With a key
of its own making in the header ``Idempotency-Key`` it may ask again: the first call that is carried
out leaves its answer, and for a day the others get that one.

Two steps, so that nothing is done twice and nothing waits for ever. A row claims the key, committed
at once, so that others see that the call is at work. Then the work and its answer are committed in
one transaction, which only the holder of the claim can end. A process that is killed leaves a claim
that runs out, and none of its work.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Q
from django.db.models.functions import Now

from ...protocol.envelope import encode_error, encode_result
from ...protocol.exceptions import ApplicationException, InvalidCall, InvalidParameter
from ..models import Account, SavedAnswer, atomic

LIFETIME = timedelta(hours=24)
CLAIM = timedelta(minutes=1)  # for how long a call may be at work
RETRY_AFTER = 1  # seconds

_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def answer_once(account: Account, key: str, body: bytes, work: Callable[[], Any]) -> bytes:
    """
    Return the answer that a call with *key* has got already, or that of doing *work* now.

    The result of *work* is kept, and so is an error of the application. Any other failure is not:
    it changed nothing, and a call with the same key is carried out.

    Raises:
        InvalidParameter: the key is malformed, or was used for another *body*.
        InvalidCall: the first call with it is still at work.
    """
    if _KEY.fullmatch(key) is None:
        raise InvalidParameter("Idempotency-Key must be 1 to 255 visible ASCII characters.")
    claim = secrets.token_hex(16)
    digest = hashlib.sha256(body).hexdigest()
    row = _claim(account, key, digest, claim)
    if row.claim == claim:
        return _carry_out(row, work)
    if row.digest != digest:
        raise InvalidParameter("This Idempotency-Key was used for another request.")
    if not row.answer:
        raise _still_at_work()
    return row.answer.encode("ascii")


def _claim(account: Account, key: str, digest: str, claim: str) -> SavedAnswer:
    """Return the row of *key*; it carries *claim* if this call is the one to be carried out."""
    fresh = {"claim": claim, "claim_expires": Now() + CLAIM, "expires": Now() + LIFETIME}
    abandoned = Q(answer="", digest=digest, claim_expires__lt=Now()) | Q(expires__lt=Now())
    mine = SavedAnswer.objects.filter(account=account, key=key)
    try:
        row, _ = mine.get_or_create(account=account, key=key, defaults={"digest": digest, **fresh})
        if row.claim != claim:
            mine.filter(abandoned).update(digest=digest, answer="", **fresh)
            row = mine.get()
    except (IntegrityError, SavedAnswer.DoesNotExist):
        raise _still_at_work() from None  # and was given back at this very moment
    return row


def _carry_out(row: SavedAnswer, work: Callable[[], Any]) -> bytes:
    mine = SavedAnswer.objects.filter(pk=row.pk, claim=row.claim)
    try:
        with atomic():
            answer = _answer_of(work)
            if not mine.update(answer=answer.decode("ascii")):
                raise _still_at_work()  # by another call, which took the claim when it ran out
    except BaseException:
        mine.filter(answer="").delete()
        raise
    return answer


def _answer_of(work: Callable[[], Any]) -> bytes:
    try:
        with atomic():
            return encode_result(work())
    except ApplicationException as error:
        return encode_error(error)


def _still_at_work() -> InvalidCall:
    return InvalidCall(
        "The first call with this Idempotency-Key is still at work.", {"retry_after": RETRY_AFTER}
    )
