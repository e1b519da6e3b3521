// What is said to people: the texts of the templates, and numbers in the language of the page.

const language = document.documentElement.lang || undefined;

/** Return a text that a template put on `element`, with its {placeholders} filled. */
export function textOf({ dataset }, name, values = {}) {
  return dataset[`text${name}`].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

/** Return a percentage. */
export function formatPercent(percent) {
  return new Intl.NumberFormat(language, { style: "percent" }).format(percent / 100);
}

/** Return the length of a film in seconds as players show it: 1:05, 2:10:00. */
export function formatLength(seconds) {
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const rest = [Math.floor(whole / 60) % 60, whole % 60];
  const parts = hours ? [hours, ...rest] : rest;
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

/** Return the day of a Unix time. */
export function formatDay(time) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(time * 1000);
}

/** Return a number of things. */
export function formatNumber(number) {
  return new Intl.NumberFormat(language).format(number);
}

/** Return bytes as file managers do: 4.2 MB. */
export function formatSize(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  const options = { maximumFractionDigits: value < 10 && power ? 1 : 0 };
  return formatUnit(value, units[power], options);
}

/** Return seconds as one would say them: 5 seconds, 3 minutes, 2 hours 10 minutes. */
export function formatDuration(seconds) {
  if (seconds < 60) return formatUnit(Math.max(5, Math.ceil(seconds / 5) * 5), "second", { unitDisplay: "long" });
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return formatUnit(minutes, "minute", { unitDisplay: "long" });
  const hours = formatUnit(Math.floor(minutes / 60), "hour", { unitDisplay: "long" });
  return minutes % 60 ? `${hours} ${formatUnit(minutes % 60, "minute", { unitDisplay: "long" })}` : hours;
}

function formatUnit(value, unit, options) {
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short", ...options }).format(value);
}
