// Lists: the state of every row's media, asked for after the page is there.

import { fetchStates, isUnsettled, poll } from "./media_states.js";
import { formatPercent } from "./words.js";

const PAUSE = 3; // seconds between two looks at what is being prepared
const LONG_PAUSE = 10; // the same after five minutes
const BATCH = 20; // references in one request: servers refuse addresses of more than 4 kB

function show(cell, { state, label, progress, reason }) {
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
}

/** Ask for the state of all `cells` and return those to ask for again. */
async function refresh(url, cells) {
  const unsettled = [];
  for (let first = 0; first < cells.length; first += BATCH) {
    const some = cells.slice(first, first + BATCH);
    try {
      const states = await fetchStates(url, some.map((cell) => cell.dataset.reference));
      some.forEach((cell, index) => {
        show(cell, states[index]);
        if (isUnsettled(states[index])) unsettled.push(cell);
      });
    } catch (error) {
      if (error.isFinal) some.forEach((cell) => cell.replaceChildren("—"));
      else unsettled.push(...some);
    }
  }
  return unsettled;
}

const cells = [...document.querySelectorAll(".cloudkey-status[data-reference]")];
const url = cells[0]?.dataset.url;
if (url) {
  let waiting = cells;
  poll(
    async () => {
      waiting = await refresh(url, waiting);
      return waiting.length > 0;
    },
    (elapsed) => (elapsed < 300 ? PAUSE : LONG_PAUSE),
  );
}
