// The media library: one page of media at a time, asked for after the page is there.

import "./media_player.js";
import { ask, poll } from "./media_states.js";
import { textOf } from "./words.js";

const PAUSE = 5; // seconds between two looks at what is being prepared
const LONG_PAUSE = 20; // the same after five minutes

/** Return the elements of HTML that this site wrote. */
function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

class Library {
  constructor(root) {
    this.root = root;
    this.form = root.querySelector("form");
    this.media = root.querySelector(".cloudkey-library__media");
    this.status = root.querySelector("[role=status]");
    this.failure = root.querySelector(".cloudkey-library__failure");
    this.skeletons = this.media.querySelector("[data-skeletons]");
    this.urls = new WeakMap(); // card → the address that it came from
    this.running = null;
    this.last = null; // what was asked for
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search();
    });
    // The cross of a search field empties it without a submit.
    this.form.elements.query.addEventListener("search", () => {
      if (!this.form.elements.query.value) this.search();
    });
    root.addEventListener("click", (event) => this.click(event));
    if (this.skeletons) this.load(this.question());
    else this.remember(this.media, this.root.dataset.mediaUrl + location.search);
    poll(
      async () => {
        await this.refresh();
        return true;
      },
      (elapsed) => (elapsed < 300 ? PAUSE : LONG_PAUSE),
    );
  }

  text(name, values) {
    return textOf(this.root, name, values);
  }

  question() {
    const query = new URLSearchParams(new FormData(this.form));
    return `${this.root.dataset.mediaUrl}?${query}`;
  }

  search() {
    const query = new URLSearchParams(new FormData(this.form));
    history.replaceState(null, "", `${this.root.dataset.libraryUrl}?${query}`);
    this.load(this.question());
  }

  click(event) {
    const link = event.target.closest("[data-action]");
    if (!link) return;
    event.preventDefault();
    if (link.dataset.action === "more") this.load(link.href, link);
    else this.load(this.last?.url ?? link.href, this.last?.more);
  }

  /** Show the media of an address; behind those that are there, in place of the button `more`. */
  async load(url, more = null) {
    this.last = { url, more };
    this.running?.abort();
    const running = (this.running = new AbortController());
    this.failure.hidden = true;
    this.media.ariaBusy = "true";
    this.status.textContent = this.text("Asking");
    if (more) more.ariaDisabled = "true";
    else if (this.skeletons) {
      this.skeletons.hidden = false;
      this.media.replaceChildren(this.skeletons);
    }
    try {
      const { html, status } = await ask(url, { signal: running.signal });
      this.show(parse(html), url, more);
      this.status.textContent = status;
    } catch (error) {
      if (running.signal.aborted) return;
      this.fail(error);
    }
    if (more) more.ariaDisabled = null;
    this.media.ariaBusy = null;
  }

  show(content, url, more) {
    this.remember(content, url);
    if (!more) {
      this.media.replaceChildren(content);
      return;
    }
    const cards = [...content.querySelectorAll(".cloudkey-card")];
    this.media.querySelector(".cloudkey-library__grid").append(...cards);
    const next = content.querySelector(".cloudkey-library__more");
    more.closest(".cloudkey-library__more").replaceWith(...(next ? [next] : []));
    const first = cards[0]?.querySelector("a") ?? cards[0];
    if (first === cards[0] && first) first.tabIndex = -1;
    first?.focus();
  }

  fail({ status, message }) {
    const known = status === 403 ? this.text("NotAllowed") : this.text("Site", { status });
    this.failure.querySelector("[role=alert]").textContent =
      message || (status ? known : this.text("Connection"));
    this.failure.hidden = false;
    this.status.textContent = "";
    if (this.skeletons) this.skeletons.hidden = true;
  }

  remember(content, url) {
    for (const card of content.querySelectorAll(".cloudkey-card")) this.urls.set(card, url);
  }

  /** Ask again for the pages with media that are being prepared. */
  async refresh() {
    const waiting = [...this.media.querySelectorAll("[data-state=processing]")];
    for (const url of new Set(waiting.map((card) => this.urls.get(card)).filter(Boolean))) {
      let content;
      try {
        content = parse((await ask(url)).html);
      } catch {
        return; // the next look may have an answer
      }
      this.remember(content, url);
      for (const card of waiting) {
        const now = content.querySelector(`[data-media="${card.dataset.media}"]`);
        if (now && card.isConnected && !card.contains(document.activeElement)) card.replaceWith(now);
      }
    }
  }
}

const root = document.querySelector(".cloudkey-library");
if (root) new Library(root);

// The page that asks whether a media is to be deleted shows it.
const preview = document.querySelector("[data-preview-url]");
if (preview) {
  ask(preview.dataset.previewUrl).then(
    ({ html }) => preview.replaceChildren(...parse(html).querySelectorAll(".cloudkey-card__picture")),
    () => {}, // it is only to be looked at
  );
}
