// Notices at the top of the page: dismissed by their button, and shown when a request of htmx fails.
// Its parts are text, never markup: a failure's answer may have come from anywhere.
export function notify(message, level = "error") {
  const notice = document.createElement("div");
  notice.className = `notice notice--${level}`;
  if (level === "error") notice.setAttribute("role", "alert");
  const text = document.createElement("p");
  text.textContent = message;
  const button = document.createElement("button");
  button.className = "button button--plain button--small";
  button.type = "button";
  button.dataset.dismiss = "";
  button.setAttribute("aria-label", "Dismiss");
  button.textContent = "×";
  notice.append(text, button);
  const notices = document.getElementById("notices");
  const last = notices.lastElementChild;
  if (last?.querySelector("p")?.textContent === message) last.remove();
  notices.append(notice);
}

document.addEventListener("click", (event) => {
  event.target.closest("[data-dismiss]")?.closest(".notice")?.remove();
});

document.addEventListener("htmx:sendError", () => notify("Perdure does not answer. Is the connection up?"));
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status >= 500) notify(`That went wrong (${status}). Nothing may have changed; look before you try again.`);
});
