// A page that is kept true part by part: each takes the place of the one with its id, unless nothing is there any more.
// What is unfolded stays unfolded, what has the focus keeps it, the current row stays the current one.
import { elements, openStream } from "./stream.js";

const FOCUSABLE = "a, button, summary, [tabindex]";

function put(fresh) {
  const old = document.getElementById(fresh.id);
  if (!old) return;
  for (const open of old.querySelectorAll("details[id][open]")) {
    fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  }
  if (old.matches(".is-current")) fresh.classList.add("is-current");
  const row = old.querySelector("[data-row].is-current")?.id;
  if (row) fresh.querySelector(`#${CSS.escape(row)}`)?.classList.add("is-current");
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && [...old.querySelectorAll(FOCUSABLE)].indexOf(focused);
  const again = focused?.id && fresh.querySelector(`#${CSS.escape(focused.id)}`);
  old.replaceWith(fresh);
  if (focused) (again || fresh.querySelectorAll(FOCUSABLE)[place])?.focus({ preventScroll: true });
}

openStream(document.querySelector("[data-parts]").dataset.parts, {
  part: (text) => elements(text).forEach(put),
});
