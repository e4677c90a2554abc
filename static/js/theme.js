// Changes the colours at once, and remembers them where the server looks: in a cookie.
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-themes]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const theme = event.submitter.value;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  for (const button of form.querySelectorAll("button[name=theme]")) {
    button.setAttribute("aria-pressed", String(button === event.submitter));
  }
  const body = new URLSearchParams(new FormData(form));
  body.set("theme", theme);
  await fetch(form.action, { method: "POST", body, redirect: "manual" });
});
