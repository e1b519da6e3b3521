"""The courses that ``manage.py demo`` writes into an empty site."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from .films import Sky
from .models import Course, Lesson

PUBLIC, MEMBERS = Lesson.Audience.PUBLIC, Lesson.Audience.MEMBERS


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonPlan:
    """A lesson, and the film that is drawn for it."""

    title: str
    slug: str
    audience: Lesson.Audience
    summary: str
    body: str
    sky: Sky
    is_uploaded: bool = True
    """False: the film stays a local original, for the admin action to upload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePlan:
    title: str
    slug: str
    summary: str
    lessons: tuple[LessonPlan, ...]


CURRICULUM = (
    CoursePlan(
        title="The sky without a telescope",
        slug="without-a-telescope",
        summary=(
            "Everything in this course can be seen from a doorstep with the eyes you have. "
            "By the third evening you will find north, and tell the time by it."
        ),
        lessons=(
            LessonPlan(
                title="Letting your eyes go dark",
                slug="letting-your-eyes-go-dark",
                audience=PUBLIC,
                summary=(
                    "The best instrument you own needs twenty minutes to warm up, "
                    "and a single glance at a phone to cool down again."
                ),
                body=(
                    "Step outside and count the stars you see inside the bowl of the Big Dipper. "
                    "Most people say none. Sit down, face away from the street lamp, and wait.\n\n"
                    "After five minutes your pupils are as wide as they go. What happens next is "
                    "slower: the rods of the retina rebuild the pigment that daylight bleached. "
                    "At ten minutes the sky has depth. At twenty, count again.\n\n"
                    "Keep what you have won. A red bicycle light, dimmed with a sock, is enough to "
                    "read a chart by. And look slightly past what you want to see: the rods sit "
                    "beside the middle of the eye, not in it."
                ),
                sky=Sky(
                    seed=3, zenith=(9, 13, 40), horizon=(96, 78, 122), band=(30, 46, 62), tilt=0.8
                ),
            ),
            LessonPlan(
                title="Finding north with two stars",
                slug="finding-north",
                audience=PUBLIC,
                summary=(
                    "Two stars at the end of a saucepan point at a third that hardly moves. "
                    "Sailors staked their lives on it."
                ),
                body=(
                    "Find the Dipper; it is up on every clear night north of Rome. The two stars "
                    "of the bowl farthest from the handle are Merak and Dubhe. Draw a line from "
                    "the first to the second and go on five times as far.\n\n"
                    "The star you meet is not bright, and that is the surprise: Polaris is famous "
                    "for its place. Drop a plumb line from it to the horizon and you are facing "
                    "north, better than a cheap compass would tell you.\n\n"
                    "In the film the whole sky turns anticlockwise about one still point. Watch "
                    "for it, then go out and look for the same stillness."
                ),
                sky=Sky(
                    seed=8, zenith=(6, 18, 34), horizon=(38, 98, 104), band=(24, 64, 58), tilt=-0.7
                ),
            ),
            LessonPlan(
                title="The Dipper as a clock",
                slug="the-dipper-as-a-clock",
                audience=MEMBERS,
                summary=(
                    "One hand, twenty-four hours, running backwards: "
                    "how to read the time to a quarter of an hour."
                ),
                body=(
                    "Imagine a dial around Polaris with twelve at the top. The pointers of the "
                    "Dipper are its hour hand, and it goes the wrong way round, once in a little "
                    "less than a day.\n\n"
                    "Read the hand as hours. Add the months that have passed since the seventh of "
                    "March. Double the sum and take it from twenty-four. What is left is the time "
                    "by the sun; add your hour of summer time if there is one.\n\n"
                    "Do it every evening for a week before you look at your watch. On the seventh "
                    "evening you will not look."
                ),
                sky=Sky(
                    seed=21, zenith=(22, 10, 38), horizon=(150, 84, 78), band=(44, 30, 52), tilt=1.3
                ),
            ),
        ),
    ),
    CoursePlan(
        title="A first evening with the Moon",
        slug="a-first-evening-with-the-moon",
        summary=(
            "The nearest world is also the most forgiving: bright, close, never twice the same. "
            "Field glasses are enough, and a wall to lean on."
        ),
        lessons=(
            LessonPlan(
                title="Why the full Moon is the worst",
                slug="why-the-full-moon-is-the-worst",
                audience=PUBLIC,
                summary=(
                    "Mountains need shadows. Go when the Moon is half, "
                    "and look along the line where its morning begins."
                ),
                body=(
                    "At full Moon the sun stands behind your head. There is not a shadow on the "
                    "whole disc, and a landscape without shadows is a map.\n\n"
                    "At first quarter it is another place. Follow the terminator, the seam of "
                    "light and dark: there the sun is rising, and a hill of a few hundred metres "
                    "throws a shadow as long as a county.\n\n"
                    "Look for a speck of light on the dark side of the seam. It is a summit that "
                    "has caught the sun before the plain around it. Wait an hour and look again."
                ),
                sky=Sky(
                    seed=5,
                    zenith=(10, 14, 30),
                    horizon=(70, 82, 128),
                    band=(10, 14, 26),
                    tilt=0.4,
                    moon=(860, 110),
                ),
            ),
            LessonPlan(
                title="Three seas and a crater",
                slug="three-seas-and-a-crater",
                audience=MEMBERS,
                summary=(
                    "Four names to begin with, and a path from one to the next "
                    "that you can walk without a chart."
                ),
                body=(
                    "Begin with the dark oval by itself near the edge: the Sea of Crises, as wide "
                    "as Portugal is long. From there go towards the middle to Tranquillity, where "
                    "people have walked, and on to Serenity, rounder and a shade lighter.\n\n"
                    "Now go south, to the bright wheel with spokes that reach half across the "
                    "disc. That is Tycho, and it is young: something fell there when dinosaurs "
                    "were looking up.\n\n"
                    "Draw the four on the back of an envelope. It need not be good. A thing that "
                    "you have drawn once, you will see for ever."
                ),
                sky=Sky(
                    seed=13,
                    zenith=(7, 9, 26),
                    horizon=(52, 50, 104),
                    band=(26, 22, 58),
                    tilt=-1.1,
                    moon=(300, 150),
                ),
            ),
            LessonPlan(
                title="Keeping an observing book",
                slug="keeping-an-observing-book",
                audience=PUBLIC,
                summary=(
                    "Date, hour, weather, one sentence. "
                    "In a year it is the best book on the sky that you own."
                ),
                body=(
                    "Buy a notebook that fits a coat pocket and tie a pencil to it; pens freeze. "
                    "Write the date and the hour, where you stood, what the air was like, and one "
                    "thing that you had not noticed before.\n\n"
                    "Do not copy what you think you ought to have seen. “Cloud, then a gap, then "
                    "Jupiter, then the dog wanted in” is an observation.\n\n"
                    "Leaf back after a year. You will find that the sky repeats itself, and that "
                    "you do not."
                ),
                sky=Sky(
                    seed=34, zenith=(8, 20, 44), horizon=(188, 122, 82), band=(20, 26, 40), tilt=0.6
                ),
                is_uploaded=False,
            ),
        ),
    ),
)


@transaction.atomic
def write_courses() -> bool:
    """Write the courses unless the site has some; tell whether they were written."""
    if Course.objects.exists():
        return False
    for position, plan in enumerate(CURRICULUM, 1):
        course = Course.objects.create(
            title=plan.title, slug=plan.slug, summary=plan.summary, position=position
        )
        Lesson.objects.bulk_create(
            Lesson(
                course=course,
                title=lesson.title,
                slug=lesson.slug,
                audience=lesson.audience,
                summary=lesson.summary,
                body=lesson.body,
                position=place,
            )
            for place, lesson in enumerate(plan.lessons, 1)
        )
    return True


def lessons_without_film() -> list[tuple[LessonPlan, Lesson]]:
    """Return the lessons written by :func:`write_courses` that have no film of any kind yet."""
    return [
        (plan, lesson)
        for course in CURRICULUM
        for plan in course.lessons
        for lesson in Lesson.objects.filter(
            course__slug=course.slug, slug=plan.slug, video="", recording=""
        )
    ]
