// The embed page. Without this script the player is a plain <video controls>.

const REFRESH = 5; // seconds between two looks at a video that is being prepared
const RETRY = 1; // seconds before going on after the line dropped
const STEP = 5; // seconds that an arrow key seeks

/** Ask again until the video is there; the animation goes on where it was. */
function wait() {
  for (const animation of document.getAnimations()) animation.currentTime = Date.now() % 60000;
  setInterval(() => document.hidden || location.reload(), REFRESH * 1000);
}

/** Dress the native video: a cover before it plays, a spinner, words when it fails, keys. */
function dress(stage) {
  const video = stage.querySelector("video");
  const cover = stage.querySelector(".cover");
  const spinner = stage.querySelector(".spinner");
  const unmute = stage.querySelector(".unmute");
  const failure = stage.querySelector(".failure");
  const chromeless = "chromeless" in video.dataset;
  let position = Number(video.dataset.start); // where to go on once the video is loaded
  let isWanted = false; // playing, or would be had it not failed
  let retriedAt = -1; // the position of the last attempt to go on without asking the viewer

  function listen(types, listener, target = video, options = {}) {
    for (const type of types.split(" ")) target.addEventListener(type, listener, options);
  }

  // Playing

  async function play() {
    try {
      await video.play();
    } catch (error) {
      if (error.name === "NotAllowedError") cover.hidden = false;
      // Whatever else went wrong is told by the video's own events.
    }
  }

  async function playUnasked() {
    try {
      await video.play();
    } catch (error) {
      if (error.name !== "NotAllowedError") return;
      video.muted = true;
      unmute.hidden = false;
      play();
    }
  }

  function toggle() {
    if (video.paused) play();
    else video.pause();
  }

  function seek(time) {
    if (video.readyState) video.currentTime = Math.max(0, Math.min(time, video.duration));
  }

  function toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else video.requestFullscreen?.().catch(() => {}); // the frame may not be allowed to
  }

  function onMetadata() {
    if (position > 0 && position < video.duration) video.currentTime = position;
    if (!Number.isFinite(video.duration)) return;
    const seconds = Math.round(video.duration);
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    if (!parts[0]) parts.shift();
    const clock = parts.map((part, index) => String(part).padStart(index ? 2 : 1, "0")).join(":");
    const duration = cover.querySelector(".duration");
    duration.textContent = clock;
    duration.hidden = false;
  }

  function onPlay() {
    isWanted = true;
    const hadFocus = cover.contains(document.activeElement);
    cover.hidden = true;
    video.controls = !chromeless;
    video.tabIndex = 0;
    if (hadFocus) video.focus({ preventScroll: true });
  }

  function onPause() {
    if (video.error) return; // a browser's doing, not the viewer's
    isWanted = false;
    spinner.hidden = true;
    cover.hidden = !chromeless;
  }

  // Failing

  function reload() {
    failure.hidden = true;
    video.load();
    if (isWanted) play();
    else cover.hidden = false;
  }

  /** Return the page that shows the player, when the browser lets us touch it. */
  function ownPage() {
    try {
      return window.parent.location.href && window.parent;
    } catch {
      return null; // of another site: only the viewer can reload it
    }
  }

  function onError() {
    const { code } = video.error;
    position = video.currentTime || position;
    if (!navigator.onLine) {
      fail("connection");
    } else if (code === MediaError.MEDIA_ERR_NETWORK && position > retriedAt) {
      retriedAt = position;
      spinner.hidden = false;
      setTimeout(reload, RETRY * 1000); // a dropped line comes back, an address that ended does not
    } else if (code === MediaError.MEDIA_ERR_DECODE || !video.canPlayType("video/mp4")) {
      fail("unplayable");
    } else {
      fail("expired");
    }
  }

  function fail(reason) {
    const page = reason === "expired" ? ownPage() : null;
    const button = failure.querySelector("button");
    failure.querySelector("p").textContent = failure.dataset[reason];
    button.textContent = page ? failure.dataset.reload : failure.dataset.retry;
    button.onclick = () => (page ? page.location.reload() : reload());
    if (document.fullscreenElement) document.exitFullscreen();
    cover.hidden = spinner.hidden = unmute.hidden = true;
    failure.hidden = video.controls = false;
    if (document.activeElement === video) button.focus();
  }

  // Keys. The buttons and sliders inside the native controls keep theirs: while one of them
  // has the focus, the event names the video but the video does not match :focus.

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !failure.hidden) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const actions = {
      k: toggle,
      m: () => (video.muted = !video.muted),
      f: toggleFullscreen,
    };
    const isOnControl = event.target.closest("button, video:not(:focus)");
    if (!isOnControl) {
      actions[" "] = toggle;
      actions.ArrowLeft = () => seek(video.currentTime - STEP);
      actions.ArrowRight = () => seek(video.currentTime + STEP);
    }
    if (!Object.hasOwn(actions, key)) return;
    event.preventDefault();
    event.stopPropagation(); // the native controls would do it once more
    if (!event.repeat || key.startsWith("Arrow")) actions[key]();
  }

  listen("loadedmetadata", onMetadata);
  listen("play", onPlay);
  listen("waiting", () => (spinner.hidden = video.controls && !video.seeking)); // or two would turn
  listen("seeked", () => (spinner.hidden ||= video.controls));
  listen("playing emptied", () => (spinner.hidden = true));
  listen("pause", onPause);
  listen("volumechange", () => (unmute.hidden ||= !video.muted));
  listen("error", onError);
  listen("keydown", onKey, document, { capture: true });
  listen("click", play, cover);
  listen("click", () => (video.muted = false), unmute);
  if (chromeless) listen("click", toggle);

  video.controls = false; // until it plays
  if (video.readyState) onMetadata();
  if (video.error) onError();
  else if ("autoplay" in video.dataset) playUnasked();
  else cover.hidden = false;
}

const stage = document.querySelector(".stage");
if (stage) dress(stage);
else wait();
