// <button data-copy="id"> copies the text of the element of that id; data-copy-text holds the text itself.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-text]");
  if (!button) return;
  const source = button.dataset.copy ? document.getElementById(button.dataset.copy) : null;
  const text = source ? (source.value ?? source.textContent) : button.dataset.copyText;
  const said = (button.dataset.said ??= button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // No clipboard without HTTPS: select it, so that Ctrl-C does.
    if (source) getSelection().selectAllChildren(source);
    button.textContent = source ? "Press Ctrl-C" : "Cannot copy";
  }
  setTimeout(() => (button.textContent = said), 1600);
});
