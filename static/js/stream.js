// A server-sent stream that keeps a part of a page true: open while the page is seen, closed while it is not.
//
//   openStream(url, { rows: (text) => …, new: (text) => … });
//
// When it opens again, the server shows all anew, so nothing is missed in between.
import { refresh } from "./time.js";

const SHORTEST_WAIT = 1000;
const LONGEST_WAIT = 15000;
const WORDS = { live: "live", connecting: "connecting", paused: "paused", lost: "not live: reconnecting" };

export function openStream(url, handlers) {
  const sign = document.getElementById("live");
  let source = null;
  let wait = SHORTEST_WAIT;
  let timer = 0;

  function say(state) {
    if (!sign || sign.dataset.state === state) return;
    sign.dataset.state = state;
    sign.querySelector(".live__word").textContent = WORDS[state];
  }

  function open() {
    clearTimeout(timer);
    if (source || document.hidden) return;
    source = new EventSource(url);
    source.onopen = () => {
      wait = SHORTEST_WAIT;
      say("live");
    };
    source.onerror = () => {
      const isRefused = source.readyState === EventSource.CLOSED;
      close();
      say("lost");
      if (isRefused) leaveIfOver();
      timer = setTimeout(open, wait * (0.7 + 0.6 * Math.random()));
      wait = Math.min(wait * 2, LONGEST_WAIT);
    };
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handle(event.data));
    }
  }

  function close() {
    source?.close();
    source = null;
  }

  // Signed out, or no member any more: what the page shows is not its reader's to see.
  async function leaveIfOver() {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (answer && (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status))) location.reload();
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(timer);
      close();
      say("paused");
    } else {
      say("connecting");
      open();
    }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
}

// Elements from text, without running anything in it.
export function elements(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  refresh(template.content);
  return [...template.content.children];
}
