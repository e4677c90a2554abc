// Keeps the page of one intent true, without disturbing its reader: what is open stays open, what has the focus keeps
// it, what was typed stays, and who has scrolled away is not moved.
import { elements, openStream } from "./stream.js";

const page = document.getElementById("intent");
const timeline = document.getElementById("timeline");

const isInUse = (element) =>
  element.contains(document.activeElement) || element.querySelector("details[open]") !== null;

function append(list, added) {
  const follows = innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
  for (const element of added) {
    if (element.id && document.getElementById(element.id)) continue;
    list.append(element);
    window.htmx?.process(element);
    element.classList.add("is-new");
  }
  if (follows) scrollTo({ top: document.documentElement.scrollHeight });
}

function put(element) {
  const old = document.getElementById(element.id);
  if (!old || old.outerHTML === element.outerHTML) return;
  for (const details of old.querySelectorAll("details[id]")) {
    const same = element.querySelector(`#${CSS.escape(details.id)}`);
    if (same) same.open = details.open;
  }
  // What somebody reads with the keyboard, or has unfolded, is the same afterwards or is left alone.
  if (old.contains(document.activeElement) && document.activeElement !== document.body) return;
  if (old.id !== "facts" && old.querySelector(".json details:not([open])") && element.querySelector(".json")) return;
  old.replaceWith(element);
}

async function offer(version) {
  const old = document.getElementById("actions");
  if (!old || old.dataset.version === version) return;
  if (isInUse(old)) {
    old.querySelector(".actions__stale").hidden = false;
    return;
  }
  const answer = await fetch(`${page.dataset.page}actions/`, { headers: { "HX-Request": "true" } });
  if (!answer.ok) return;
  const [fresh] = elements(await answer.text());
  const current = document.getElementById("actions");
  if (fresh && !isInUse(current)) current.replaceWith(fresh);
}

openStream(`${page.dataset.live}?after=${page.dataset.seq}`, {
  rows: (text) => append(timeline, elements(text)),
  part: (text) => elements(text).forEach(put),
  saved: (text) => {
    document.getElementById("checkpoints").classList.remove("hidden");
    append(document.getElementById("checkpoint-list"), elements(text));
  },
  actions: offer,
  reload: () => location.reload(),
});

// A link to an event that is not on the page leads to a page that has it.
function find() {
  const [, number] = /^#event-(\d+)$/.exec(location.hash) ?? [];
  if (number && !document.getElementById(`event-${number}`)) {
    location.replace(`?event=${number}#event-${number}`);
  }
}
addEventListener("hashchange", find);
const asked = new URLSearchParams(location.search).get("event");
if (!asked) find();

// Somebody who opens a form wants to type into it.
document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.matches?.("details.action[open]")) event.target.querySelector("input[name=reason]")?.focus();
  },
  true,
);
