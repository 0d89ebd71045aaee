// A log that follows: lines are put at its end, and it stays at the end unless somebody has scrolled up.
"use strict";

(() => {
  const log = document.getElementById("log");
  if (!log) return;
  const MOST = 5000;
  const said = document.getElementById("log-state");
  log.scrollTop = log.scrollHeight;
  if (!log.dataset.follow) return;
  const source = new EventSource(log.dataset.follow);
  source.addEventListener("lines", (event) => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(document.createTextNode(event.data + "\n"));
    while (log.childNodes.length > MOST) log.firstChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  });
  source.addEventListener("end", (event) => { source.close(); said.textContent = event.data; });
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) said.textContent = "The log is not followed any more: reload the page."; };
  window.addEventListener("pagehide", () => source.close());
})();
