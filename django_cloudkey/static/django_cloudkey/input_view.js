// What the widget shows: its parts, its texts, and one view at a time.

import { formatSize, textOf } from "./words.js";

export class InputView {
  constructor(root) {
    this.root = root;
    this.hidden = root.querySelector("input[type=hidden]");
    this.file = root.querySelector("input[type=file]");
    this.clear = root.querySelector(".cloudkey-input__clear input"); // none where a media is required
  }

  get isDisabled() {
    return this.file.matches(":disabled");
  }

  find(part) {
    return this.root.querySelector(`.cloudkey-input__${part}`);
  }

  action(name) {
    return this.root.querySelector(`[data-action=${name}]`);
  }

  text(name, values) {
    return textOf(this.root, name, values);
  }

  /** Say the limit in the units of all other sizes here. */
  sayLimits() {
    const { maxSize, kinds = "" } = this.root.dataset;
    const place = this.find("limits");
    if (!place || !maxSize) return;
    const name = kinds ? "LimitsOfKinds" : "Limits";
    place.textContent = this.text(name, { kinds, limit: formatSize(Number(maxSize)) });
  }

  /** Show one view: exactly the parts that are named, nothing else. */
  show({ picture = null, prompt = false, title = "", badge = null, detail = "", progress = null, error = "", choose = "Replace", actions = [], clear = false, isRemoved = false }) {
    const focused = document.activeElement;
    this.find("picture").hidden = picture === null;
    if (picture !== null) this.showPicture(picture);
    this.find("prompt").hidden = !prompt;
    this.find("title").hidden = !title;
    this.find("title").firstElementChild.textContent = title;
    this.find("state").hidden = !badge && !detail;
    this.root.querySelector(".cloudkey-badge").textContent = badge?.label ?? "";
    this.root.querySelector(".cloudkey-badge").hidden = !badge;
    this.find("state").className = `cloudkey-input__state is-${badge?.state}`;
    this.find("detail").textContent = detail;
    this.showProgress(progress);
    if (this.find("error").textContent !== error) this.find("error").textContent = error;
    const button = this.file.nextElementSibling;
    button.hidden = false;
    button.textContent = this.text(choose);
    const mayChoose = actions.includes("choose") && !this.isDisabled;
    this.find("choose").hidden = !mayChoose;
    this.action("browse").hidden = !mayChoose || !this.root.dataset.libraryUrl;
    if (this.find("limits")) this.find("limits").hidden = !prompt || this.isDisabled;
    for (const name of ["retry", "cancel", "undo", "close"]) this.action(name).hidden = !actions.includes(name);
    if (this.clear) this.clear.parentElement.hidden = !clear;
    this.root.toggleAttribute("data-empty", prompt);
    this.root.toggleAttribute("data-removed", isRemoved);
    if (this.root.contains(focused) && !isVisible(focused)) this.focus();
  }

  showProgress(progress) {
    const bar = this.root.querySelector("progress");
    bar.hidden = progress === null;
    if (progress === null) return;
    bar.ariaLabel = progress.label;
    if (progress.percent) bar.value = progress.percent;
    else bar.removeAttribute("value");
  }

  showPicture({ thumbnail, embed }) {
    const play = this.find("play");
    const image = play.querySelector("img");
    this.root.querySelector("iframe")?.remove();
    delete this.root.dataset.playing;
    play.hidden = !embed;
    if (embed) play.href = embed;
    image.hidden = !thumbnail;
    if (thumbnail && image.src !== thumbnail) image.src = thumbnail;
  }

  showUpload(file, detail, percent = 0) {
    const progress = { label: this.text("Progress", { name: file.name }), percent };
    this.show({ picture: {}, title: file.name, detail, progress, actions: ["cancel"] });
  }

  announce(text) {
    this.root.querySelector("[role=status]").textContent = text;
  }

  /** Put the focus on the first thing that can be done here. */
  focus() {
    [...this.find("actions").querySelectorAll("button, input")].find(isVisible)?.focus();
  }
}

function isVisible(element) {
  return element.getClientRects().length > 0;
}
