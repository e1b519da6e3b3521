from __future__ import annotations

import threading
import time
from argparse import ArgumentParser
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ...client.multipart import sha1_of
from ...plain_text import printable
from ...protocol.assets import UNFINISHED
from ...protocol.exceptions import RPCException
from ...uploads import DEFAULT_ASSETS, title_of
from ..client_command import ClientCommand
from ..interrupts import INTERRUPTED, stopping_once
from ..local_files import LocalFiles
from ..progress_line import ProgressLine

MAX_JOBS = 16
FIRST_LOOK, LONGEST_PAUSE = 1.0, 15.0  # seconds


class Command(ClientCommand):
    help = str(gettext_lazy("Upload files and folders, make media of them, and write their ids."))

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("paths", nargs="+", metavar="PATH", help=_("file, or folder of videos"))
        parser.add_argument("--title", help=_("title of the media; the file's name by default"))
        parser.add_argument(
            "--asset", action="append", dest="assets", metavar="NAME",
            help=_("asset to make, may be repeated; by default: %(names)s")
            % {"names": ", ".join(DEFAULT_ASSETS)},
        )  # fmt: skip
        parser.add_argument(
            "--jobs", type=int, default=1, metavar="N", help=_("files at a time; 1 by default")
        )
        parser.add_argument(
            "--again", action="store_true", help=_("upload also what is on the cloud already")
        )
        parser.add_argument(
            "--wait", action="store_true", help=_("until the media are ready, or failed")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["jobs"] <= MAX_JOBS:
            raise CommandError(_("--jobs is from 1 to %(most)d.") % {"most": MAX_JOBS})
        paths = [Path(path) for path in options["paths"]]
        files = LocalFiles(paths)
        is_one = len(paths) == 1 and not paths[0].is_dir()
        if options["title"] and not is_one:
            raise CommandError(_("--title is for one file."))
        self._options, self._client = options, self.client(options)
        self._line = ProgressLine(self.stderr)
        self._stopping = threading.Event()
        results: list[dict[str, Any]] = []
        failed = 0
        with closing(self._upload_all(iter(files))) as uploaded:
            for result in uploaded:
                if is_one and "error" in result:
                    raise CommandError(self._text_of(result))
                failed += "error" in result
                self._tell(result)
                if options["json"] or options["wait"]:
                    results.append(result)
        is_stopped = self._stopping.is_set()
        if options["wait"] and not is_stopped:
            try:
                failed += self._await(results)
            except KeyboardInterrupt:
                is_stopped = True
        self._line.clear()
        for path, reason in files.skipped:
            self.complain(f"{path}: {reason}")
        if options["json"]:
            self.write_json(results)
        if is_stopped:
            text = _("Interrupted. The same command goes on with the rest.")
            raise CommandError(text, returncode=INTERRUPTED)
        if failed:
            text = ngettext("%(count)d file failed.", "%(count)d files failed.", failed)
            raise CommandError(text % {"count": failed})

    def _upload_all(self, paths: Iterator[Path]) -> Generator[dict[str, Any]]:
        """
        Give the result of each file as it comes, with a bounded number of them at work.

        After Ctrl-C no file is begun, what is being sent ends at its next piece, and a media that
        is being made is waited for, so that its id is told. After another the process ends at once.
        """
        jobs = self._options["jobs"]
        running: set[Future[dict[str, Any]]] = set()
        with ThreadPoolExecutor(jobs) as pool, stopping_once(self._stopping):
            try:
                while True:
                    if not self._stopping.is_set():
                        running |= {
                            pool.submit(self._upload, path)
                            for path in islice(paths, jobs - len(running))
                        }
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for result in (each.result() for each in done):
                        if "id" in result or not self._stopping.is_set():
                            yield result
            except BaseException:
                # Nobody reads on: what is being sent ends, and is not waited for to the end.
                self._stopping.set()
                raise

    def _upload(self, path: Path) -> dict[str, Any]:
        options = self._options
        result: dict[str, Any] = {"file": str(path)}
        try:
            digest = sha1_of(path)
            there = None if options["again"] else self._find(digest)
            if there is not None:
                return {**result, "id": there, "skipped": True}
            arrived = self._client.file.upload_file(path, self._progress(path))
            media = self._client.media.create(
                url=arrived["url"],
                assets_names=options["assets"] or list(DEFAULT_ASSETS),
                meta={"title": options["title"] or title_of(path), "sha1": digest},
            )
            result["id"] = media["id"]
        except RPCException as error:
            result["error"] = str(error)
        except OSError as error:
            result["error"] = error.strerror or str(error)
        finally:
            self._line.drop(path)
        return result

    def _find(self, digest: str) -> str | None:
        """Return the id of a media that was uploaded from the same bytes."""
        query = f"meta.sha1:{digest}"
        found = self._client.media.search(query=query, fields=["id"], per_page=1)["list"]
        return str(found[0]["id"]) if found else None

    def _progress(self, path: Path) -> Any:
        def show(sent: int, size: int) -> None:
            if self._stopping.is_set():
                raise OSError(_("interrupted"))
            self._line.show(path, sent, size)

        return show

    def _tell(self, result: dict[str, Any]) -> None:
        self._line.clear()
        if "error" in result:
            self.complain(self._text_of(result))
        elif not self._options["json"]:
            note = f"  ({_('there already')})" if result.get("skipped") else ""
            self.stdout.write(f"{result['id']}  {printable(result['file'])}{note}")
            self.stdout.flush()

    @staticmethod
    def _text_of(failure: dict[str, Any]) -> str:
        return printable(f"{failure['file']}: {failure['error']}")

    def _await(self, results: list[dict[str, Any]]) -> int:
        """Wait until each media is ready or failed; return how many failed."""
        waiting = {result["id"]: result for result in results if "id" in result}
        count, failed, pause = len(waiting), 0, FIRST_LOOK
        while waiting:
            for id_, result in list(waiting.items()):
                assets = self._client.media.get_assets(id=id_)
                states = {asset["status"] for asset in assets.values()}
                if states.isdisjoint(UNFINISHED):
                    del waiting[id_]
                    result["status"] = "error" if "error" in states or not states else "ready"
                    if result["status"] == "error":
                        failed += 1
                        self._line.clear()
                        self.complain(f"{result['file']}: {_('the cloud could not prepare it')}")
            if waiting:
                self._line.write(
                    _("%(ready)d of %(count)d are prepared")
                    % {"ready": count - len(waiting), "count": count}
                )
                time.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 1.5)
        return failed
