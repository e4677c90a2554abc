// <button data-opens="id"> opens the <dialog> of that id; a click beside a dialog closes it.
export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) {
    dialog.dispatchEvent(new CustomEvent("opening"));
    dialog.showModal();
  }
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) openDialog(opener.dataset.opens);
  if (event.target instanceof HTMLDialogElement) event.target.close();
});
