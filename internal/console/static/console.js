// A page that shows progress is read anew every five seconds, while it is looked at and no form on it
// is being filled in. Without scripts people reload it.
"use strict";
const main = document.querySelector("main[data-live]");
if (main) {
  setInterval(async () => {
    if (document.hidden || main.contains(document.activeElement) || main.querySelector("details[open]")) return;
    try {
      const answer = await fetch(location.href, {headers: {Accept: "text/html"}});
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      main.replaceChildren(...page.querySelector("main").childNodes);
    } catch { /* The next one may come through. */ }
  }, 5000);
}
