// Keeps every <time data-ago> true. The same rule as `distance` in agents/templatetags/perdure.py.
const UNITS = [
  ["s", 1, 60],
  ["min", 60, 3600],
  ["h", 3600, 2 * 86400],
  ["d", 86400, 60 * 86400],
  ["mo", 30 * 86400, Infinity],
];

export function distance(seconds) {
  const size = Math.abs(seconds);
  if (size < 1.5) return "just now";
  const [unit, length] = UNITS.find(([, , until]) => size < until);
  const text = `${Math.floor(size / length)} ${unit}`;
  return seconds > 0 ? `${text} ago` : `in ${text}`;
}

export function refresh(root = document) {
  for (const time of root.querySelectorAll("time[data-ago]")) {
    const text = distance((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

setInterval(() => document.hidden || refresh(), 1000);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
