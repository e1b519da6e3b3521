// What the site knows of its media: asking for states, and asking again while they change.

/** The site did not answer. `status` is HTTP's; 0 when it could not be reached. */
export class SiteFailed extends Error {
  constructor(status = 0, message = "") {
    super(message);
    this.name = "SiteFailed";
    this.status = status;
  }

  /** Asking again leads nowhere: the session has ended, or a reference is too old. */
  get isFinal() {
    return this.status >= 400 && this.status < 500;
  }
}

/** Ask this site and return its JSON. `error` in it, if there is one, becomes the message. */
export async function ask(url, options = {}) {
  let response;
  let answer = null;
  try {
    response = await fetch(url, {
      ...options,
      headers: { Accept: "application/json", ...options.headers },
    });
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!(error instanceof SyntaxError)) throw new SiteFailed(); // not reached, or cut off
  }
  if (!response.ok || answer === null) {
    throw new SiteFailed(response.status, typeof answer?.error === "string" ? answer.error : "");
  }
  return answer;
}

/** Return the state of each reference, in their order. */
export async function fetchStates(url, references) {
  const query = new URLSearchParams(references.map((reference) => ["reference", reference]));
  return (await ask(`${url}?${query}`)).states;
}

/** Whether the state may change by itself. */
export function isUnsettled({ state }) {
  return state === "processing" || state === "unknown";
}

/**
 * Call `look` now and again as long as it returns true; not while nobody sees the page.
 *
 * `pause` returns the seconds until the next look, given those since the first. Returns a function
 * that ends it.
 */
export function poll(look, pause) {
  const start = Date.now();
  let timer = 0;
  let isOver = false;

  async function round() {
    if (isOver) return;
    if (document.hidden) {
      document.addEventListener("visibilitychange", round, { once: true });
      return;
    }
    if ((await look()) && !isOver) {
      timer = setTimeout(round, pause((Date.now() - start) / 1000) * 1000);
    }
  }

  round();
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
