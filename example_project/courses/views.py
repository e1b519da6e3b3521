"""Three pages: all courses, one course, one lesson."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .models import Course


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    courses = Course.objects.prefetch_related("lessons")
    return render(request, "courses/home.html", {"courses": courses})


@require_safe
@never_cache
def course(request: HttpRequest, course: str) -> HttpResponse:
    found = get_object_or_404(Course.objects.prefetch_related("lessons"), slug=course)
    return render(request, "courses/course.html", {"course": found})


@require_safe
@never_cache  # The addresses in these pages are signed, and end.
def lesson(request: HttpRequest, course: str, lesson: str) -> HttpResponse:
    found = get_object_or_404(Course.objects.prefetch_related("lessons"), slug=course)
    lessons = list(found.lessons.all())
    at = next((at for at, each in enumerate(lessons) if each.slug == lesson), None)
    if at is None:
        raise Http404
    current = lessons[at]
    context = {
        "course": found,
        "lesson": current,
        "lessons": lessons,
        "is_visible": current.visible_to(request.user),
        "previous": lessons[at - 1] if at else None,
        "next": lessons[at + 1] if at + 1 < len(lessons) else None,
    }
    return render(request, "courses/lesson.html", context)
