// The library: a dialog that finds a media by words of its title, or by its id.
//
// The text box is a combobox: the focus stays in it, and arrow keys choose in the list below.

import { formatDay, formatLength, formatNumber, formatPercent } from "./words.js";

const PAUSE = 250; // milliseconds after a key before the site is asked
let numbers = 0; // of ids in the page

class MediaPicker {
  /**
   * `text(name, values)` returns a text of the template, `icon` stands for a media without a still,
   * `search(query, after, signal)` returns a page of the library, and `pick(media, close)` does
   * with one whatever is to be done, and closes this.
   * Failures of both are explained by `explain(error)`.
   */
  constructor({ text, icon, search, pick, explain }) {
    Object.assign(this, { text, icon, search, pick, explain });
    this.media = [];
    this.next = "";
    this.active = -1; // index in `media`
    this.isBusy = false;
    this.timer = 0;
    this.request = null; // AbortController of what was asked last
    this.build();
  }

  build() {
    const id = `cloudkey-picker-${++numbers}`;
    const close = button("close", "×");
    this.dialog = make("dialog", "dialog", { ariaLabel: this.text("Library") });
    this.input = make("input", "query", { type: "text", autocomplete: "off", enterKeyHint: "search", spellcheck: false, placeholder: this.text("Words"), maxLength: 200 });
    this.list = make("ul", "list", { id: `${id}-list`, role: "listbox", ariaLabel: this.text("Videos") });
    this.status = make("p", "status", { role: "status" });
    this.error = make("p", "error", { role: "alert" });
    this.more = button("more", this.text("More"));
    close.ariaLabel = this.text("Close");
    for (const [name, value] of Object.entries({ role: "combobox", "aria-label": this.text("Query"), "aria-autocomplete": "list", "aria-expanded": "true", "aria-controls": this.list.id })) {
      this.input.setAttribute(name, value);
    }
    this.more.hidden = true;
    const head = make("div", "head");
    head.append(make("h2", "title", { textContent: this.text("Library") }), close);
    const body = make("div", "body");
    body.append(head, this.input, this.error, this.list, this.more, this.status);
    this.dialog.append(body);

    close.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close(); // beside it
    });
    this.dialog.addEventListener("close", () => this.dispose());
    this.input.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.find(), PAUSE);
    });
    this.input.addEventListener("keydown", (event) => this.onKey(event));
    this.more.addEventListener("click", () => this.load({ isMore: true }));
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.choose(this.options.indexOf(option));
    });
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays
  }

  get options() {
    return [...this.list.children];
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.input.focus();
    this.find();
  }

  dispose() {
    clearTimeout(this.timer);
    this.request?.abort();
    this.dialog.remove();
  }

  onKey(event) {
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 5, PageUp: -5 };
    if (event.key in steps) {
      event.preventDefault();
      this.move(steps[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const only = this.media.length === 1 ? 0 : -1;
      this.choose(this.active < 0 ? only : this.active);
    }
  }

  /** Go so many options down; from the last of all, to the page that follows. */
  move(step) {
    const last = this.media.length - 1;
    if (last < 0) return;
    if (step > 0 && this.active === last && this.next) {
      this.load({ isMore: true, step: 1 });
      return;
    }
    const from = this.active < 0 && step < 0 ? last + 1 : this.active;
    this.activate(Math.max(0, Math.min(last, from + step)));
  }

  activate(index) {
    this.options[this.active]?.setAttribute("aria-selected", "false");
    this.active = index;
    const option = this.options[index];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  /** Look for what the text box says, from the beginning. */
  find() {
    clearTimeout(this.timer);
    return this.load({ isMore: false });
  }

  async load({ isMore, step = 0 }) {
    if (isMore && this.list.ariaBusy === "true") return;
    this.request?.abort();
    this.request = new AbortController();
    const { signal } = this.request;
    this.list.ariaBusy = "true";
    this.error.textContent = "";
    try {
      const page = await this.search(this.input.value.trim(), isMore ? this.next : "", signal);
      this.show(page, isMore);
      if (step) this.move(step);
    } catch (error) {
      if (signal.aborted) return;
      this.list.ariaBusy = "false";
      if (!isMore) this.show({ media: [], next: "", total: null }, false);
      this.status.textContent = "";
      this.error.textContent = this.explain(error);
    }
  }

  show({ media, next, total }, isMore) {
    this.list.ariaBusy = "false";
    if (!isMore) {
      this.activate(-1);
      this.media = [];
      this.list.replaceChildren();
      this.list.scrollTop = 0;
    }
    const first = this.media.length;
    const fresh = media.map((each, index) => this.option(each, first + index));
    this.media.push(...media);
    this.list.append(...fresh);
    this.next = next;
    this.list.hidden = !this.media.length;
    const hadFocus = document.activeElement === this.more;
    this.more.hidden = !next;
    if (hadFocus && !next) this.input.focus();
    this.input.setAttribute("aria-expanded", String(this.media.length > 0));
    this.status.textContent = this.summary(total);
  }

  summary(total) {
    const shown = this.media.length;
    if (!shown) return this.text(this.input.value.trim() ? "NothingFound" : "NothingThere");
    const all = total ?? shown;
    if (all > shown) return this.text("ShownOf", { shown: formatNumber(shown), total: formatNumber(all) });
    return this.text(shown === 1 ? "ShownOne" : "Shown", { shown: formatNumber(shown) });
  }

  option(media, index) {
    const option = make("li", "option", { id: `${this.list.id}-${index}`, role: "option", ariaSelected: "false" });
    const picture = make("span", "still");
    const words = make("span", "words");
    const facts = make("span", "facts");
    picture.append(this.icon.cloneNode(true));
    if (media.thumbnail) {
      const image = make("img", "image", { alt: "", loading: "lazy", src: media.thumbnail });
      image.addEventListener("error", () => image.remove());
      picture.append(image);
    }
    if (media.state !== "ready") {
      const badge = make("span", "state", { className: `cloudkey-picker__state is-${media.state}` });
      const text = media.progress ? `${media.label} ${formatPercent(media.progress)}` : media.label;
      badge.append(Object.assign(document.createElement("span"), { className: "cloudkey-badge", textContent: text }));
      facts.append(badge);
    }
    const plain = [];
    if (media.duration != null) plain.push(formatLength(media.duration));
    if (media.created) plain.push(formatDay(media.created));
    facts.append(plain.join(" · "));
    words.append(make("bdi", "name", { textContent: media.title || media.id }), facts);
    option.append(picture, words);
    return option;
  }

  async choose(index) {
    const media = this.media[index];
    if (!media || this.isBusy) return;
    this.activate(index);
    this.isBusy = true;
    this.error.textContent = "";
    this.dialog.ariaBusy = "true";
    try {
      await this.pick(media, () => this.dialog.close());
    } catch (error) {
      this.error.textContent = this.explain(error);
    } finally {
      this.isBusy = false;
      this.dialog.ariaBusy = "false";
    }
  }
}

function make(tag, part, values = {}) {
  return Object.assign(document.createElement(tag), { className: `cloudkey-picker__${part}` }, values);
}

function button(part, text) {
  const element = make("button", part, { type: "button", textContent: text });
  element.classList.add("cloudkey-button");
  return element;
}

/** Show the library until something is picked, or it is closed. */
export function openPicker(options) {
  new MediaPicker(options).open();
}
