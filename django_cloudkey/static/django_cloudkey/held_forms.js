// A form is held back while a file is on its way, and sent when it has arrived.

const held = new Map(); // form → { submitter, notice }
let busyInputs = () => [];

/** Hold forms back from now on; `find(form)` returns the inputs of it that are busy. */
export function holdForms(find) {
  busyInputs = find;
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      const busy = busyInputs(form);
      if (!busy.length) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      dropHeldForm(form);
      held.set(form, { submitter: event.submitter, notice: showNotice(form, event.submitter, busy[0]) });
    },
    true,
  );
}

function showNotice(form, submitter, input) {
  const notice = document.createElement("div");
  const text = document.createElement("span");
  const stop = document.createElement("button");
  notice.className = "cloudkey-waiting";
  notice.setAttribute("role", "status");
  stop.type = "button";
  stop.className = "cloudkey-button";
  stop.textContent = input.text("DoNotSave");
  stop.addEventListener("click", () => {
    dropHeldForm(form);
    submitter?.focus();
  });
  notice.append(text, stop);
  const place = submitter?.closest(".submit-row") ?? submitter;
  if (place) place.before(notice);
  else form.append(notice);
  text.textContent = input.text("Waiting"); // after it is in the page, so that it is announced
  return notice;
}

/** Send the form that was held back, if its last file has arrived. */
export function sendHeldForm(form) {
  const { submitter } = held.get(form) ?? {};
  if (busyInputs(form).length || !dropHeldForm(form)) return;
  form.requestSubmit(submitter?.isConnected ? submitter : null);
}

/** Let the form be as it is; return whether it was held back. */
export function dropHeldForm(form) {
  held.get(form)?.notice.remove();
  return held.delete(form);
}
