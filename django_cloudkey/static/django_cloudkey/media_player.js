// Stills that play: in place of a new tab, a dialog on the page.

let dialog = null;

function open({ href, dataset }) {
  dialog?.remove();
  dialog = document.createElement("dialog");
  dialog.className = "cloudkey-player";
  dialog.setAttribute("aria-label", dataset.title);
  const head = document.createElement("div");
  head.className = "cloudkey-player__head";
  const title = document.createElement("bdi");
  title.textContent = dataset.title;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = dataset.close;
  close.addEventListener("click", () => dialog.close());
  head.append(title, close);
  const frame = document.createElement("iframe");
  frame.title = dataset.title;
  frame.allow = "autoplay; fullscreen; picture-in-picture";
  frame.referrerPolicy = "no-referrer";
  frame.src = href;
  dialog.append(head, frame);
  // What plays stops, and nothing is left of it; the focus goes back to where it was.
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.cloudkey-play");
  const wantsTab = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!link || event.button || wantsTab) return;
  event.preventDefault();
  open(link);
});
