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
    size: int | None = None
    """Bytes of the file; None when they are not known."""
    extension: str | None = None
    """Ending of the file's name; None when it is not known."""

    def sign(self) -> str:
        values = [self.media, self.field, self.user, self.size, self.extension]
        # Short: an address may carry twenty of them.
        known = values if self.size is not None or self.extension is not None else values[:3]
        return signing.dumps(known, salt=SALT)


def read(text: str) -> Reference:
    """
    Return what *text* says.

    Raises:
        BadReference: it was not signed here, or is older than MAX_AGE.
    """
    try:
        media, field, user, *facts = signing.loads(text, salt=SALT, max_age=MAX_AGE)
        size, extension = facts or (None, None)
    except (signing.BadSignature, ValueError) as error:
        raise BadReference("This reference is not valid, or not any more.") from error
    return Reference(media=media, field=field, user=user, size=size, extension=extension)


def is_reference(value: object) -> bool:
    """Say whether *value* is the text of a reference that was signed here and is not too old."""
    try:
        return isinstance(value, str) and bool(read(value))
    except BadReference:
        return False
