// The overview: each part is put in the place of the one before, unless somebody reads its table.
import { elements, openStream } from "./stream.js";

openStream(document.getElementById("overview").dataset.live, {
  part(text) {
    for (const fresh of elements(text)) {
      const old = document.getElementById(fresh.id);
      if (!old) continue;
      const table = old.querySelector("details");
      if (table?.open) fresh.querySelector("details")?.setAttribute("open", "");
      const focused = old.contains(document.activeElement) ? document.activeElement : null;
      const place = focused && [...old.querySelectorAll("a, summary, [tabindex]")].indexOf(focused);
      old.replaceWith(fresh);
      if (focused) fresh.querySelectorAll("a, summary, [tabindex]")[place]?.focus({ preventScroll: true });
    }
  },
});
