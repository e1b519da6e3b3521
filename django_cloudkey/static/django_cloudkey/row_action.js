// The page of an admin action: one request per row, one row after the other.

import { ask } from "./media_states.js";
import { textOf } from "./words.js";

const form = document.querySelector(".cloudkey-rows");
if (form) drive(form);

function drive(form) {
  const rows = [...form.querySelectorAll("tr[data-url]")];
  const [start, stop, retry] = ["start", "stop", "retry"].map((name) => form.querySelector(`[data-action=${name}]`));
  const status = form.querySelector("[role=status]");
  const bar = form.querySelector("progress");
  let isRunning = false;
  let isStopping = false;

  function text(name, values) {
    return textOf(form, name, values);
  }

  function inState(...states) {
    return rows.filter((row) => states.includes(row.dataset.state ?? "waiting"));
  }

  function show(row, { state, label }) {
    row.dataset.state = state;
    row.querySelector(".cloudkey-rows__state > span").textContent = label;
    if (state === "done") row.dispatchEvent(new CustomEvent("cloudkey:changed", { bubbles: true }));
    bar.value = inState("done", "skipped", "error").length;
  }

  async function act(row) {
    show(row, { state: "running", label: text("Working") });
    row.scrollIntoView({ block: "nearest" });
    const headers = { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value };
    const body = new URLSearchParams({ media: row.dataset.media });
    try {
      show(row, await ask(row.dataset.url, { method: "POST", headers, body }));
    } catch (error) {
      show(row, { state: "error", label: explain(error) });
    }
  }

  function explain({ status, message }) {
    if (message) return message;
    if (!status) return text("Connection");
    return status === 403 ? text("NotAllowed") : text("Site", { status });
  }

  async function run(queue) {
    isRunning = true;
    isStopping = false;
    toggle();
    for (const row of queue) {
      if (isStopping) break;
      status.textContent = text("Running", { number: rows.indexOf(row) + 1, count: rows.length });
      await act(row);
    }
    isRunning = false;
    toggle();
    conclude();
  }

  function toggle() {
    const hadFocus = form.contains(document.activeElement);
    form.querySelector(".cloudkey-rows__progress").hidden = false;
    form.querySelector(".cloudkey-rows__back").textContent = text("Back"); // no longer an answer
    start.hidden = isRunning || !inState("waiting").length;
    start.textContent = inState("waiting").length < rows.length ? text("Continue") : start.textContent;
    stop.hidden = !isRunning;
    stop.disabled = false;
    retry.hidden = isRunning || !inState("error").length;
    if (hadFocus) [start, stop, retry].find((button) => !button.hidden)?.focus();
  }

  function conclude() {
    const values = {
      done: inState("done", "skipped").length,
      failed: inState("error").length,
      count: rows.length,
    };
    if (inState("waiting").length) status.textContent = text("Stopped", values);
    else status.textContent = text(values.failed ? "Failed" : "Done", values);
  }

  start.hidden = false;
  // Enter does not delete anything by itself.
  if (!start.classList.contains("cloudkey-button-delete")) start.focus();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!isRunning) run(inState("waiting"));
  });
  stop.addEventListener("click", () => {
    isStopping = true;
    stop.disabled = true;
    status.textContent = text("Stopping");
  });
  retry.addEventListener("click", () => run(inState("error")));
  addEventListener("beforeunload", (event) => {
    if (!isRunning) return;
    event.preventDefault();
    event.returnValue = true; // what older browsers look at
  });
}
