// Lists: what the cloud knows of every row's media, asked for after the page is there.

import "./media_player.js";
import { fetchStates, isUnsettled, poll } from "./media_states.js";
import { formatLength, formatPercent } from "./words.js";

const PAUSE = 3; // seconds between two looks at what is being prepared
const LONG_PAUSE = 10; // the same after five minutes
const BATCH = 20; // references in one request: servers refuse addresses of more than 4 kB

const shows = {
  status(cell, { state, label, progress, reason }) {
    const badge = document.createElement("span");
    badge.className = "cloudkey-badge";
    badge.textContent = label;
    if (state === "processing" && progress) badge.append(` ${formatPercent(progress)}`);
    cell.className = `cloudkey-status is-${state}`;
    cell.title = reason ?? "";
    cell.replaceChildren(badge);
    if (reason) {
      const text = document.createElement("span");
      text.className = "cloudkey-status__reason";
      text.textContent = reason;
      cell.append(text);
    }
  },

  duration(cell, { duration }) {
    cell.textContent = duration ? formatLength(duration) : "–";
  },

  thumbnail(cell, { state, embed, thumbnail }) {
    cell.className = `cloudkey-thumb is-${state}`;
    cell.replaceChildren();
    if (!embed) return;
    const link = document.createElement("a");
    link.className = "cloudkey-play";
    link.href = embed;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    Object.assign(link.dataset, { title: cell.dataset.title, close: cell.dataset.close });
    if (thumbnail) {
      const image = document.createElement("img");
      image.alt = "";
      image.referrerPolicy = "no-referrer";
      image.src = thumbnail;
      link.append(image);
    }
    const disc = document.createElement("span");
    disc.className = "cloudkey-play__disc";
    disc.ariaHidden = "true";
    const label = document.createElement("span");
    label.className = "cloudkey-unseen";
    label.textContent = cell.dataset.play;
    link.append(disc, label);
    cell.append(link);
  },
};

function show(cells, state) {
  for (const cell of cells) shows[cell.dataset.cell](cell, state);
}

/** Ask for the state of each reference, show it in its cells, and return those to ask again. */
async function refresh(url, references, cellsOf) {
  const unsettled = [];
  for (let first = 0; first < references.length; first += BATCH) {
    const some = references.slice(first, first + BATCH);
    try {
      const states = await fetchStates(url, some);
      some.forEach((reference, index) => {
        show(cellsOf.get(reference), states[index]);
        if (isUnsettled(states[index])) unsettled.push(reference);
      });
    } catch (error) {
      if (!error.isFinal) unsettled.push(...some);
      else some.flatMap((reference) => cellsOf.get(reference)).forEach((cell) => cell.replaceChildren("—"));
    }
  }
  return unsettled;
}

const cells = [...document.querySelectorAll("[data-cell][data-reference]")];
const url = cells[0]?.dataset.url;
const cellsOf = new Map();
const waiting = new Set(); // references to ask for
let isAsking = false;

for (const cell of cells) {
  const { reference } = cell.dataset;
  cellsOf.set(reference, [...(cellsOf.get(reference) ?? []), cell]);
  waiting.add(reference);
}

function follow() {
  if (isAsking || !waiting.size) return;
  isAsking = true;
  poll(
    async () => {
      const references = [...waiting];
      waiting.clear();
      for (const reference of await refresh(url, references, cellsOf)) waiting.add(reference);
      isAsking = waiting.size > 0;
      return isAsking;
    },
    (elapsed) => (elapsed < 300 ? PAUSE : LONG_PAUSE),
  );
}

follow();
// An action has done something with what is shown inside.
document.addEventListener("cloudkey:changed", ({ target }) => {
  for (const { dataset } of target.querySelectorAll("[data-cell]")) waiting.add(dataset.reference);
  follow();
});
