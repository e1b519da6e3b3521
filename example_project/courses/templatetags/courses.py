from __future__ import annotations

from typing import TYPE_CHECKING

from django import template

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

    from ..models import Lesson

register = template.Library()


@register.filter
def visible_to(lesson: Lesson, user: AbstractBaseUser | AnonymousUser) -> bool:
    """``{% if lesson|visible_to:user %}``: whether the site shows *lesson* to *user*."""
    return lesson.visible_to(user)
