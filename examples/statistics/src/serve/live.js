// Puts the pieces of HTML that the server sends into the elements that show them. All drawing, counting and escaping is
// done there; this only says where a piece goes.
"use strict";

let source = null;

function show(event) {
  for (const [id, html] of Object.entries(JSON.parse(event.data))) {
    const element = document.getElementById(id);
    if (element && element.dataset.shown !== html) {
      element.innerHTML = html;
      element.dataset.shown = html;
    }
  }
}

// A page that nobody sees needs no stream, and a browser has few connections to one server.
function follow() {
  if (document.hidden) {
    source?.close();
    source = null;
  } else if (!source) {
    source = new EventSource("/live/events");
    source.onmessage = show;
  }
}

document.addEventListener("visibilitychange", follow);
window.addEventListener("pagehide", () => source?.close());
follow();

// The buttons work without this, too; with it the page stays where it is.
for (const form of document.querySelectorAll("form.action")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
    if (answer.type !== "opaqueredirect") {
      document.getElementById("live-state").textContent = "The server refused: load the page again.";
    }
  });
}
