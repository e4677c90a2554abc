// The list of intents: rows change in place; new ones come in by themselves, or are announced while the reader has
// scrolled or selected; selected rows stay selected.
import { elements, openStream } from "./stream.js";

const MOST_ROWS = 100;
const list = document.getElementById("list");
const rows = document.getElementById("rows");
const news = document.getElementById("news");
const bar = document.getElementById("bulk-bar");
const isNewest = list.dataset.newest === "yes";
/** New rows that are not shown yet, by id, and how many there are besides. */
const pending = new Map();
let uncounted = 0;
let isMore = false;

const boxes = () => [...rows.querySelectorAll("[data-row-select]")];
const allMatching = document.getElementById("all-matching");
const isBusy = () =>
  scrollY > 40 || boxes().some((box) => box.checked) || allMatching?.checked || rows.contains(document.activeElement);

// -- rows ---------------------------------------------------------------------------------------------

function replace(fresh) {
  const old = document.getElementById(fresh.id);
  if (!old) {
    if (pending.has(fresh.id)) pending.set(fresh.id, fresh);
    return;
  }
  if (Number(old.dataset.seq) >= Number(fresh.dataset.seq)) return;
  const box = old.querySelector("[data-row-select]");
  if (box?.checked) fresh.querySelector("[data-row-select]").checked = true;
  if (old.classList.contains("is-current")) fresh.classList.add("is-current");
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const again = focused?.matches("[data-row-select]") ? "[data-row-select]" : "[data-row-link]";
  old.replaceWith(fresh);
  if (focused) fresh.querySelector(again)?.focus({ preventScroll: true });
}

function insert(fresh) {
  if (document.getElementById(fresh.id)) return replace(fresh);
  fresh.classList.add("is-fresh");
  const next = [...rows.children].find((row) => row.id < fresh.id);
  rows.insertBefore(fresh, next ?? null);
}

function showPending() {
  // More than fit: the newest page is better than what is here with a hole below it.
  if (isMore || uncounted > 0) return location.assign(news.href);
  for (const row of pending.values()) insert(row);
  pending.clear();
  for (const row of [...rows.children].slice(MOST_ROWS)) {
    if (!row.querySelector(":checked")) row.remove();
  }
  list.querySelector(".empty")?.remove();
  announce();
}

function announce() {
  const number = pending.size + uncounted;
  news.hidden = number === 0;
  news.textContent = number ? `${number}${isMore ? "+" : ""} new, show` : "";
}

news.addEventListener("click", (event) => {
  event.preventDefault();
  scrollTo({ top: 0 });
  showPending();
});

// -- the stream ---------------------------------------------------------------------------------------

const reloadsWhenEmpty = () => document.querySelector(".list[data-empty]") && location.reload();

openStream(list.dataset.live, {
  rows(text) {
    for (const row of elements(text)) {
      replace(row);
      // After a pause the newest page may have moved on: what is not here is new.
      if (isNewest && !document.getElementById(row.id) && !pending.has(row.id)) pending.set(row.id, row);
    }
    settle();
  },
  new(text) {
    const end = text.indexOf("\n");
    const fresh = elements(text.slice(end + 1));
    const number = Number.parseInt(text, 10);
    const before = pending.size;
    for (const row of fresh) pending.set(row.id, row);
    uncounted += Math.max(0, number - (pending.size - before));
    isMore ||= text.slice(0, end).endsWith("+");
    settle();
  },
});

function settle() {
  if (!pending.size) return;
  if (reloadsWhenEmpty()) return;
  // Rushing by, rows cannot be read: then the count is told, and the reader decides.
  if (isBusy() || isMore || uncounted > 0) announce();
  else showPending();
}

new MutationObserver(() => {
  const shown = document.getElementById("shown");
  if (shown) shown.textContent = `${rows.children.length} shown`;
}).observe(rows, { childList: true });

// -- what is selected ---------------------------------------------------------------------------------

if (bar) {
  const chosen = document.getElementById("chosen");
  const pickAll = document.getElementById("pick-all");

  const count = () => {
    const all = boxes();
    const number = all.filter((box) => box.checked).length;
    chosen.textContent = allMatching.checked
      ? "Everything that fits is selected"
      : number
        ? `${number} selected`
        : "Nothing selected";
    const isActive = allMatching.checked || number > 0;
    bar.classList.toggle("is-active", isActive);
    for (const button of bar.querySelectorAll("button")) button.disabled = !isActive;
    pickAll.checked = number > 0 && number === all.length;
    pickAll.indeterminate = number > 0 && number < all.length;
  };

  pickAll.addEventListener("change", () => {
    for (const box of boxes()) box.checked = pickAll.checked;
    count();
  });

  allMatching.addEventListener("change", async () => {
    for (const box of boxes()) box.disabled = allMatching.checked;
    count();
    if (!allMatching.checked) return;
    const answer = await fetch(allMatching.dataset.number, { headers: { "HX-Request": "true" } });
    const [number] = answer.ok ? elements(await answer.text()) : [];
    if (number) document.getElementById("number").replaceWith(number);
  });

  rows.addEventListener("change", count);
  new MutationObserver(() => {
    for (const box of boxes()) box.disabled = allMatching.checked;
    count();
  }).observe(rows, { childList: true });
  count();
}

// -- filters: what is empty does not belong into an address that is shared ----------------------------

const filters = document.getElementById("filters");
filters.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});
filters.addEventListener("change", (event) => {
  if (event.target.matches("select")) filters.requestSubmit();
});
