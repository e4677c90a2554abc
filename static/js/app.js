// What every page has. Each module works on data attributes, also in parts of a page that htmx puts in later.
import "./time.js";
import "./theme.js";
import "./menus.js";
import "./dialogs.js";
import "./notices.js";
import "./copy.js";
import "./sending.js";
import "./poll.js";
import "./keyboard.js";

document.documentElement.classList.add("has-js");
