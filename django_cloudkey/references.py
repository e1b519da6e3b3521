"""
Signed references: how a media id travels through a form.

A browser never names a media by itself: it hands back what this site signed for one field and,
where the user is known, for one user.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core import signing

SALT = "django_cloudkey.reference"
MAX_AGE = 7 * 24 * 3600  # seconds that a form may stay open


class BadReference(ValueError):
    """A reference that was not signed here, is too old, or belongs to another field or user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a reference says."""

    media: str
    field: str
    """``app_label.model.field``."""
    user: str = ""
    """Primary key of the user for whom it was made; empty for whoever may use the form."""

    def sign(self) -> str:
        return signing.dumps([self.media, self.field, self.user], salt=SALT)


def read(text: str) -> Reference:
    """
    Return what *text* says.

    Raises:
        BadReference: it was not signed here, or is older than MAX_AGE.
    """
    try:
        media, field, user = signing.loads(text, salt=SALT, max_age=MAX_AGE)
    except (signing.BadSignature, ValueError) as error:
        raise BadReference("This reference is not valid, or not any more.") from error
    return Reference(media=media, field=field, user=user)


def is_reference(value: object) -> bool:
    """Say whether *value* is the text of a reference that was signed here and is not too old."""
    try:
        return isinstance(value, str) and bool(read(value))
    except BadReference:
        return False
