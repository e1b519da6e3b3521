// The widget: a file goes from here to the cloud, or a media of the library is picked, and a
// reference goes into the form.
//
// Without this script the widget is a file input, and the site sends the file on.

import { dropHeldForm, holdForms, sendHeldForm } from "./held_forms.js";
import { InputView } from "./input_view.js";
import { openPicker } from "./media_picker.js";
import { ask, fetchStates, isUnsettled, poll, SiteFailed } from "./media_states.js";
import { uploadFile, UploadFailed } from "./upload_transport.js";
import { formatDuration, formatLength, formatPercent, formatSize } from "./words.js";

const TOO_LARGE = 413; // HTTP status
const inputs = new Set();

class MediaInput extends InputView {
  constructor(root) {
    super(root);
    this.initial = this.hidden.value;
    this.isRequired = this.file.required;
    this.name = ""; // of the file that was uploaded here, or the title of what was picked
    this.media = null; // what the cloud said of it last
    this.failed = null; // { file, sent }: what "try again" goes on with
    this.abort = null; // ends the running upload
    this.stopPolling = () => {};

    this.file.removeAttribute("name"); // the file is not to be sent with the form as well
    if (!this.file.labels.length) this.file.ariaLabel = this.text("Choose"); // tabular inlines have none
    this.find("note")?.remove();
    this.sayLimits();
    root.dataset.enhanced = "";
    this.listen();
    this.restore();
  }

  get isBusy() {
    return this.abort !== null;
  }

  listen() {
    const area = this.find("area");
    this.file.addEventListener("change", () => {
      this.take([...this.file.files]);
      this.file.value = ""; // so that the same file can be chosen again
    });
    area.addEventListener("dragover", (event) => {
      if (!carriesFiles(event) || this.isBusy || this.isDisabled) return;
      event.preventDefault();
      this.root.dataset.dragging = "";
    });
    area.addEventListener("dragleave", (event) => {
      if (!area.contains(event.relatedTarget)) delete this.root.dataset.dragging;
    });
    area.addEventListener("drop", (event) => {
      delete this.root.dataset.dragging;
      if (!carriesFiles(event) || this.isBusy || this.isDisabled) return;
      event.preventDefault();
      this.take([...event.dataTransfer.files]);
    });
    this.action("browse").addEventListener("click", () => this.browse());
    this.action("retry").addEventListener("click", () => this.upload(this.failed.file, this.failed.sent));
    this.action("cancel").addEventListener("click", () => {
      if (this.isBusy) this.abort.abort();
      else this.restore(); // leave a failure behind
    });
    this.action("undo").addEventListener("click", () => {
      this.hidden.value = this.initial;
      this.name = "";
      this.media = null;
      this.restore();
    });
    this.action("close").addEventListener("click", () => this.restore());
    this.find("play").addEventListener("click", (event) => this.play(event));
    this.find("play").querySelector("img").addEventListener("error", (event) => {
      event.target.hidden = true;
    });
    this.clear?.addEventListener("change", () => this.restore());
  }

  // Uploading

  take(files) {
    if (!files.length || this.isBusy) return;
    const refusal = this.refusalOf(files);
    if (!refusal) {
      this.upload(files[0]);
      return;
    }
    this.restore();
    this.find("error").textContent = refusal;
  }

  /** Return in plain words why the files are not taken, or "". */
  refusalOf([file, ...others]) {
    const { maxSize, extensions, kinds } = this.root.dataset;
    const { name, size, type } = file;
    if (others.length) return this.text("OneFile");
    if (!size) return this.text("EmptyFile", { name });
    if (extensions) {
      const allowed = extensions.split(",").some((each) => name.toLowerCase().endsWith(`.${each}`));
      if (!allowed) return this.text("OtherKind", { name, kinds });
    } else if (/^(image|audio|text|font)\//.test(type)) {
      return this.text("NotAVideo", { name });
    }
    if (!maxSize || size <= Number(maxSize)) return "";
    return this.text("OverLimit", { name, size: formatSize(size), limit: formatSize(Number(maxSize)) });
  }

  /** Send the file and make it the form's value. `sent` is what is over when the bytes are there already. */
  async upload(file, sent = null) {
    this.abort = new AbortController();
    const { signal } = this.abort;
    const { form } = this.hidden; // a row may be removed meanwhile
    this.stopPolling();
    try {
      if (!sent) {
        this.showUpload(file, this.text("Starting"));
        this.announce(`${file.name}: ${this.text("Starting")}`);
        const { ticket, url } = await this.post("ticket", { field: this.root.dataset.field, name: file.name, size: file.size }, signal);
        const answer = await uploadFile(url, file, { onProgress: this.meter(file), signal });
        sent = { ticket, url: answer.url };
      }
      this.showUpload(file, this.text("Storing"));
      const { reference } = await this.post("finish", sent, signal);
      this.abort = null;
      this.accept(file.name, reference, { state: "processing", label: this.text("Uploaded"), isNew: true });
      sendHeldForm(form);
    } catch (error) {
      this.abort = null;
      this.giveUp(error, file, sent);
      if (dropHeldForm(form)) this.root.scrollIntoView({ block: "center" });
    }
  }

  async post(what, values, signal) {
    const body = new FormData();
    for (const [name, value] of Object.entries(values)) body.append(name, value);
    const token = (this.hidden.form ?? document).querySelector("[name=csrfmiddlewaretoken]")?.value;
    const headers = { "X-CSRFToken": token ?? "" };
    return ask(this.root.dataset[`${what}Url`], { method: "POST", body, headers, signal });
  }

  accept(name, reference, media) {
    this.hidden.value = reference;
    this.hidden.dispatchEvent(new Event("change", { bubbles: true }));
    this.name = name;
    if (this.clear) this.clear.checked = false;
    this.media = media;
    this.restore();
    this.announce(`${name}: ${media.label}`);
  }

  giveUp(error, file, sent) {
    if (!this.root.isConnected) return;
    if (error.name === "AbortError") {
      this.restore();
      this.announce(this.text("Cancelled"));
      return;
    }
    this.failed = { file, sent };
    const actions = ["choose", "cancel"];
    if (error.status !== TOO_LARGE) actions.push("retry");
    this.show({ title: file.name, error: this.explain(error, file), choose: "Another", actions });
  }

  /** Return in plain words why an upload failed. */
  explain(error, file) {
    const { status, message } = error;
    if (error instanceof SiteFailed) {
      if (message) return message;
      if (!status) return this.text("Connection");
      return error.isFinal ? this.text("NotAllowed") : this.text("Site", { status });
    }
    if (!(error instanceof UploadFailed)) throw error;
    if (!status) return this.text("Connection");
    if (status === TOO_LARGE) return this.text("TooLarge", { size: formatSize(file.size) });
    return message || this.text("Refused", { status });
  }

  // Picking

  browse() {
    const { field } = this.root.dataset;
    openPicker({
      text: (name, values) => this.text(`Pick${name}`, values),
      icon: this.find("picture").querySelector("svg"),
      explain: (error) => this.explain(error),
      search: (query, after, signal) => {
        const parameters = new URLSearchParams({ field, query, after });
        return ask(`${this.root.dataset.libraryUrl}?${parameters}`, { signal });
      },
      pick: async ({ id, title, ...media }, close) => {
        const { reference } = await this.post("pick", { field, media: id });
        close(); // the focus is back here before what has it goes
        this.accept(title || id, reference, media);
      },
    });
  }

  /** Return a function that shows how far the upload is. */
  meter(file) {
    const samples = []; // [time in seconds, bytes sent] of the last seconds
    let shownAt = -Infinity;
    let announced = 0;
    return (sent, size) => {
      const now = performance.now() / 1000;
      samples.push([now, sent]);
      while (now - samples[0][0] > 10) samples.shift();
      const percent = Math.floor((sent / size) * 100);
      this.root.querySelector("progress").value = percent;
      if (percent >= announced + 25) {
        announced = percent;
        this.announce(formatPercent(percent));
      }
      if (sent === size) {
        this.showUpload(file, this.text("Storing"));
      } else if (now - shownAt > 0.5) {
        shownAt = now;
        this.showUpload(file, this.progressText(percent, sent, size, samples), percent);
      }
    };
  }

  progressText(percent, sent, size, samples) {
    const text = this.text("Sending", {
      percent: formatPercent(percent),
      sent: formatSize(sent),
      size: formatSize(size),
    });
    const [[start, before], [end, after]] = [samples[0], samples.at(-1)];
    if (end - start < 1.5 || after === before) return text;
    const seconds = ((size - sent) * (end - start)) / (after - before);
    return `${text} · ${this.text("Left", { time: formatDuration(seconds) })}`;
  }

  // Showing

  /** Show what the form holds: nothing, or a media in the state that is known of it. */
  restore() {
    this.failed = null;
    this.file.required = this.isRequired && !this.hidden.value;
    if (this.hidden.value) {
      this.showMedia();
      this.watch();
    } else {
      this.media = null;
      this.stopPolling();
      this.show({ prompt: true, choose: "Choose", actions: ["choose"] });
    }
  }

  showMedia() {
    const isChanged = this.hidden.value !== this.initial;
    const isRemoved = this.clear?.checked ?? false;
    const { title, state, label, progress, reason, duration, thumbnail, embed, isNew } = this.media ?? {};
    const view = {
      picture: { thumbnail, embed },
      title: this.name || title || this.text("Current"),
      actions: isChanged && !this.isDisabled ? ["choose", "undo"] : ["choose"],
      clear: !isChanged && !this.isDisabled,
      isRemoved,
    };
    if (isRemoved) view.detail = this.text("Removed");
    else if (!state) view.detail = this.text("Asking");
    else if (state === "unknown" || state === "untold") view.detail = label;
    else view.badge = { state, label: progress ? `${label} ${formatPercent(progress)}` : label };
    if (state === "processing" && !isRemoved) {
      view.progress = { label: this.text("Preparing"), percent: progress };
      view.detail = isChanged || isNew ? this.text("Patience") : "";
    }
    if (state === "ready" && !isRemoved && duration != null) view.detail = formatLength(duration);
    if (state === "error" && !isRemoved) view.error = reason;
    this.show(view);
  }

  /** Ask for the state of the form's media until it is ready or failed. */
  watch() {
    this.stopPolling();
    const reference = this.hidden.value;
    const isCurrent = () => this.root.isConnected && this.hidden.value === reference && !this.isBusy;
    this.stopPolling = poll(
      async () => {
        const media = await this.look(reference);
        if (!isCurrent()) return false;
        const before = this.media?.state;
        this.media = media;
        if (this.failed === null && !("playing" in this.root.dataset)) this.showMedia();
        if (before === "processing" && !isUnsettled(media)) this.announce(media.label);
        return isUnsettled(media);
      },
      (elapsed) => (elapsed < 60 ? 2 : 5),
    );
  }

  async look(reference) {
    try {
      return (await fetchStates(this.root.dataset.statusUrl, [reference]))[0];
    } catch (error) {
      if (error.isFinal) return { state: "untold", label: this.text("Untold") };
      return { state: "unknown", label: this.explain(error) };
    }
  }

  play(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own is wanted
    event.preventDefault();
    const frame = document.createElement("iframe");
    frame.src = this.media.embed;
    frame.title = this.text("Preview");
    frame.allow = "autoplay; picture-in-picture";
    frame.allowFullscreen = true;
    this.root.dataset.playing = "";
    this.find("play").hidden = true;
    this.find("picture").append(frame);
    this.action("close").hidden = false;
    frame.focus();
  }

  dispose() {
    this.abort?.abort();
    this.stopPolling();
    inputs.delete(this);
  }
}

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

holdForms((form) => [...inputs].filter((input) => input.isBusy && input.hidden.form === form));

addEventListener("beforeunload", (event) => {
  if (![...inputs].some((input) => input.isBusy)) return;
  event.preventDefault();
  event.returnValue = true; // what older browsers look at
});

// A file that misses its place must not replace the page, and with it what was typed.
for (const type of ["dragover", "drop"]) {
  addEventListener(type, (event) => {
    if (!inputs.size || event.defaultPrevented || !carriesFiles(event)) return;
    if (event.target.closest?.("input[type=file]")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  });
}

// Every widget of the page, and those of rows that come and go

function enhance(root) {
  for (const element of root.querySelectorAll(".cloudkey-input[data-ticket-url]:not([data-enhanced])")) {
    const isPattern = element.querySelector("input").name.includes("__prefix__");
    if (!isPattern) inputs.add(new MediaInput(element));
  }
}

document.addEventListener("formset:added", (event) => enhance(event.target));
document.addEventListener("formset:removed", () => {
  for (const input of inputs) if (!input.root.isConnected) input.dispose();
});
enhance(document);
