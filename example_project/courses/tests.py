# ruff: noqa: PT009 - these run with Django's own test runner, as a site's tests do
"""What the site promises about its lessons: ``manage.py test courses``."""

from __future__ import annotations

import re

from django.contrib.auth.models import User
from django.test import TestCase, override_settings

from django_cloudkey.client import SecLevel
from django_cloudkey.media_state import MediaState
from django_cloudkey.protocol.signing import parse_auth

from .curriculum import CURRICULUM, write_courses
from .models import Course, Lesson

ACCOUNT = {
    "USER_ID": "4f33ddbc94a6f6517c001577",
    "API_KEY": "a-key-of-forty-characters-for-this-test-",
    "BASE_URL": "http://video.example.org/cloud",
}


@override_settings(CLOUDKEYS={"default": ACCOUNT})
class AudienceTests(TestCase):
    public: Lesson
    closed: Lesson
    member: User

    @classmethod
    def setUpTestData(cls) -> None:
        write_courses()
        for number, lesson in enumerate(Lesson.objects.all(), 1):
            lesson.video = f"{number:024x}"
            lesson.video_state = MediaState.READY
            lesson.save()
        cls.public = Lesson.objects.filter(audience=Lesson.Audience.PUBLIC)[0]
        cls.closed = Lesson.objects.filter(audience=Lesson.Audience.MEMBERS)[0]
        cls.member = User.objects.create_user(username="member")

    def page(self, address: str) -> str:
        response = self.client.get(address)
        self.assertEqual(response.status_code, 200)
        return response.content.decode()

    def assert_hides(self, page: str, lesson: Lesson) -> None:
        self.assertNotIn(lesson.video.id, page)
        self.assertNotIn(lesson.body.splitlines()[0], page)

    def test_visitor_watches_a_public_lesson(self) -> None:
        page = self.page(self.public.get_absolute_url())

        (auth,) = re.findall(rf'<iframe src="[^"]*/{self.public.video.id}\?auth=([^"]+)"', page)
        self.assertEqual(parse_auth(auth).seclevel, SecLevel.DELEGATE | SecLevel.IP)

    def test_visitor_gets_no_address_of_a_closed_lesson(self) -> None:
        Lesson.objects.exclude(pk=self.closed.pk).update(video="")

        page = self.page(self.closed.get_absolute_url())

        self.assertNotIn("auth=", page)
        self.assertNotIn("<iframe", page)
        self.assert_hides(page, self.closed)
        self.assertIn(f"/accounts/login/?next={self.closed.get_absolute_url()}", page)

    def test_lists_show_no_picture_before_the_video_is_ready(self) -> None:
        Lesson.objects.update(video_state=MediaState.PROCESSING)

        page = self.page("/")

        self.assertNotIn("auth=", page)
        self.assertIn("Video in preparation", page)

    def test_lists_show_a_visitor_no_picture_of_a_closed_lesson(self) -> None:
        neighbour = self.closed.course.lessons.filter(audience=Lesson.Audience.PUBLIC)[0]
        addresses = ["/", self.closed.course.get_absolute_url(), neighbour.get_absolute_url()]
        for address in addresses:
            with self.subTest(address):
                page = self.page(address)

                self.assert_hides(page, self.closed)
                self.assertIn("still--locked", page)
                self.assertIn(neighbour.video.id, page)

    def test_member_watches_a_closed_lesson(self) -> None:
        self.client.force_login(self.member)

        page = self.page(self.closed.get_absolute_url())

        self.assertIn(f"/{self.closed.video.id}?auth=", page)
        self.assertNotIn("still--locked", page)

    def test_lesson_without_video_says_so(self) -> None:
        Lesson.objects.update(video="")

        page = self.page(self.public.get_absolute_url())

        self.assertIn("still to come", page)
        self.assertNotIn("auth=", page)


class SiteTests(TestCase):
    def test_courses_are_written_once(self) -> None:
        self.assertTrue(write_courses())
        self.assertFalse(write_courses())
        self.assertEqual(Course.objects.count(), len(CURRICULUM))

    def test_pages_trust_this_site_alone(self) -> None:
        policy = self.client.get("/").headers["Content-Security-Policy"]

        self.assertIn("script-src 'self';", policy)
        self.assertIn("style-src 'self';", policy)
        self.assertNotIn("unsafe", policy)

    def test_unknown_addresses_get_a_page_of_the_site(self) -> None:
        for address in ("/no-course/", "/no-course/no-lesson/"):
            with self.subTest(address):
                self.assertContains(self.client.get(address), "The Small Hours", status_code=404)

    def test_originals_are_for_staff(self) -> None:
        response = self.client.get("/media/recordings/any.mp4")

        self.assertRedirects(
            response, "/admin/login/?next=/media/recordings/any.mp4", fetch_redirect_response=False
        )

    def test_french_visitors_read_french(self) -> None:
        response = self.client.get("/", headers={"accept-language": "fr"})

        self.assertContains(response, "Connexion")
