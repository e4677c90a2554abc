// The keyboard, by data attributes; pages only mark what is there:
//
//   data-search                  `/` focuses it
//   data-key="c", "g i"          a key, or two in a row, clicks it; data-key-label names it in the help
//   data-row                     `j` and `k` move between these; the current one has the class is-current
//     data-row-link              `enter` opens it
//     data-row-select            `x` toggles it
//     data-row-key="r"           a key clicks it in the current row
//
// Nothing happens while somebody types into a field, or holds Ctrl, Alt or Meta.
import { openDialog } from "./dialogs.js";

const SEQUENCE_MS = 1200;
let first = "";
let firstAt = 0;

const isVisible = (element) => element.checkVisibility();
const rows = () => [...document.querySelectorAll("[data-row]")].filter(isVisible);
let currentId = "";

// A row that was replaced by a newer one of the same id is still the current one.
function current() {
  const marked = document.querySelector("[data-row].is-current");
  if (marked || !currentId) return marked;
  const again = document.getElementById(currentId);
  again?.classList.add("is-current");
  return again;
}

function moveTo(row) {
  if (!row) return;
  current()?.classList.remove("is-current");
  row.classList.add("is-current");
  currentId = row.id;
  row.scrollIntoView({ block: "nearest" });
  const target = row.querySelector("[data-row-link]") ?? row;
  target.focus({ preventScroll: true });
}

function move(step) {
  const all = rows();
  const here = all.indexOf(current());
  const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : here + step;
  moveTo(all[Math.max(0, Math.min(all.length - 1, next))]);
}

function search() {
  const field = document.querySelector("[data-search]");
  field?.focus();
  field?.select?.();
  return Boolean(field);
}

const BUILT_IN = {
  "?": () => openDialog("keyboard-help") ?? true,
  "/": search,
  j: () => rows().length && (move(1), true),
  k: () => rows().length && (move(-1), true),
  x: () => clickIn(current(), "[data-row-select]"),
  Enter: () => document.activeElement?.closest("a, button, summary") === null && clickIn(current(), "[data-row-link]"),
};

function clickIn(root, selector) {
  const element = root?.querySelector(selector);
  element?.click();
  return Boolean(element);
}

function clickKey(key) {
  if (clickIn(current(), `[data-row-key="${CSS.escape(key)}"]`)) return true;
  const element = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find(
    (found) => isVisible(found) && !found.disabled,
  );
  element?.click();
  return Boolean(element);
}

function isTyping(target) {
  return target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio])");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const { key } = event;
  const isSecond = first && performance.now() - firstAt < SEQUENCE_MS;
  const pair = isSecond ? `${first} ${key}` : "";
  first = "";
  if (pair && clickKey(pair)) {
    event.preventDefault();
    return;
  }
  if (clickKey(key) || BUILT_IN[key]?.()) {
    event.preventDefault();
    return;
  }
  if (key.length === 1 && document.querySelector(`[data-key^="${CSS.escape(key)} "]`)) {
    first = key;
    firstAt = performance.now();
  }
});

// What can be pressed on this page joins the help when it opens.
document.getElementById("keyboard-help")?.addEventListener("opening", (event) => {
  const help = event.target;
  for (const line of help.querySelectorAll("[data-needs]")) {
    line.hidden = !document.querySelector(line.dataset.needs);
  }
  for (const old of help.querySelectorAll("[data-added]")) old.remove();
  const seen = new Set();
  for (const element of document.querySelectorAll("[data-key][data-key-label], [data-row-key][data-key-label]")) {
    const key = element.dataset.key ?? element.dataset.rowKey;
    if (seen.has(key)) continue;
    seen.add(key);
    help.querySelector("[data-more-keys]").before(line(element.dataset.keyLabel, key));
  }
});

function line(label, keys) {
  const entry = document.createElement("p");
  entry.className = "keys__one";
  entry.dataset.added = "";
  const name = document.createElement("span");
  name.textContent = label;
  const group = document.createElement("span");
  for (const key of keys.split(" ")) {
    const cap = document.createElement("kbd");
    cap.textContent = key;
    group.append(cap, " ");
  }
  entry.append(name, group);
  return entry;
}
