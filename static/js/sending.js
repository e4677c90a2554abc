// A form that is on its way is not sent again by a second press of its button. The server has the last word on that
// (agents/pages/one_effect.py); here it is shown.
const PATIENCE_MS = 10000;

function release(form) {
  delete form.dataset.sent;
  for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if ("sent" in form.dataset) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "";
  event.submitter?.setAttribute("aria-busy", "true");
  // Should no answer come, it may be tried again.
  setTimeout(release, PATIENCE_MS, form);
});

// Who comes back to the page by the browser's button finds its forms ready.
addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(release));
