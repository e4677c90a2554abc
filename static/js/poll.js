// What asks again every few seconds does not while nobody can see it.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.closest("[data-polls]") === event.detail.elt) event.preventDefault();
});
