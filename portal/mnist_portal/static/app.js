// What every page does with a script, and what it can do without: all pages are drawn by the server, links and forms
// work by themselves. Here: local times, changes as they happen, and what htmx needs under a strict policy.
"use strict";

(() => {
  // --- times in the reader's own zone ---------------------------------------------------------------------------
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const ago = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

  function relative(moment) {
    const seconds = (moment - Date.now()) / 1000;
    for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
      if (Math.abs(seconds) >= size) return ago.format(Math.round(seconds / size), unit);
    }
    return ago.format(Math.round(seconds), "second");
  }

  function tellTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(element.getAttribute("datetime"));
      if (Number.isNaN(moment.getTime())) continue;
      element.title = full.format(moment);
      const recent = Math.abs(Date.now() - moment) < 20 * 3600 * 1000;
      element.textContent = recent ? relative(moment) : short.format(moment);
    }
  }

  // --- changes as they happen -------------------------------------------------------------------------------------
  const state = document.getElementById("live");
  const banner = document.getElementById("problem");

  function tellState(name, words) {
    if (!state) return;
    if (state.dataset.state !== name) { state.dataset.state = name; state.textContent = words; }
  }

  function tellProblem(words, signIn) {
    if (!banner) return;
    banner.classList.toggle("hidden", !words);
    const sentence = banner.querySelector("p");
    if (sentence.textContent !== words) sentence.textContent = words;
    banner.querySelector("a").classList.toggle("hidden", !signIn);
  }

  // A button that is replaced between press and release would lose its click: changes wait for the release.
  let pressed = false;
  const held = [];
  document.addEventListener("pointerdown", () => { pressed = true; });
  for (const released of ["pointerup", "pointercancel", "dragend"]) {
    document.addEventListener(released, () => setTimeout(() => { pressed = false; held.splice(0).forEach(put); }));
  }

  // Parts come with the id of what they take the place of. Focus, and what somebody has opened, stay.
  function put(html) {
    if (pressed) { held.push(html); return; }
    const template = document.createElement("template");
    template.innerHTML = html;
    for (const fresh of [...template.content.children]) {
      const old = document.getElementById(fresh.id);
      if (!old) continue;
      for (const details of old.querySelectorAll("details[id]")) {
        const same = fresh.querySelector("#" + CSS.escape(details.id));
        if (same) same.open = details.open;
      }
      const focused = old.contains(document.activeElement) ? document.activeElement : null;
      const place = focused && (focused.id || focused.getAttribute("href") || focused.getAttribute("name"));
      old.replaceWith(fresh);
      if (place) {
        const again = [...fresh.querySelectorAll("a, button, input, select, summary")].find(
          (one) => one.id === place || one.getAttribute("href") === place || one.getAttribute("name") === place);
        if (again) again.focus({ preventScroll: true });
      }
      if (window.htmx) window.htmx.process(fresh);
      tellTimes(fresh);
    }
  }

  let source = null;
  let asked = 0;

  function follow(address) {
    source = new EventSource(address);
    source.addEventListener("ok", () => { tellState("live", "Live"); tellProblem("", false); });
    source.addEventListener("problem", (event) => { tellState("problem", "Out of date"); tellProblem(event.data, false); });
    source.addEventListener("html", (event) => put(event.data));
    source.addEventListener("points", (event) => document.dispatchEvent(new CustomEvent("points", { detail: event.data })));
    source.addEventListener("refresh", refresh);
    source.addEventListener("expired", over);
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) { over(); return; }
      tellState("waiting", "Connecting again");
    };
  }

  function over() {
    source.close();
    tellState("over", "Ended");
    tellProblem("Your session has ended, so this page is not kept up to date any more.", true);
  }

  // Rows that come or go: the table is asked for again, at most once in a second.
  function refresh() {
    const table = document.getElementById("table");
    if (!table || !table.dataset.rows) { location.reload(); return; }
    if (asked) return;
    asked = setTimeout(async () => {
      asked = 0;
      try {
        const answer = await fetch(table.dataset.rows, { headers: { "HX-Request": "true" } });
        if (answer.ok) put(await answer.text());
      } catch { tellState("waiting", "Connecting again"); }
    }, 300);
  }

  const live = () => document.querySelector("[data-live]")?.dataset.live;
  let followed = live();
  // Another filter has other rows to follow.
  document.addEventListener("htmx:afterSettle", () => {
    if (!live() || live() === followed) return;
    source?.close();
    followed = live();
    follow(followed);
  });
  if (followed) {
    follow(followed);
    // A page that nobody sees needs no changes; when it is looked at again, it is asked for anew.
    let hidden = 0;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hidden);
      if (document.hidden) hidden = setTimeout(() => { source.close(); tellState("waiting", "Paused"); }, 60000);
      else if (source.readyState === EventSource.CLOSED && state.dataset.state === "waiting") follow(followed);
    });
    window.addEventListener("pagehide", () => source.close());
    window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }

  // --- small things -------------------------------------------------------------------------------------------------
  document.addEventListener("htmx:afterSettle", (event) => tellTimes(event.target));
  // An answer that says what is wrong is shown like any other.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if ([400, 403, 404, 409, 422, 502, 503].includes(event.detail.xhr.status)) { event.detail.shouldSwap = true; event.detail.isError = false; }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy).textContent;
    navigator.clipboard.writeText(text).then(() => { button.textContent = "Copied"; });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
    const search = document.querySelector("input[type=search]");
    if (search) { event.preventDefault(); search.focus(); }
  });

  tellTimes(document);
  setInterval(() => tellTimes(document), 10000);
})();

// The form of a new training: what the API server says of a field stands at the field.
(() => {
  const form = document.getElementById("new");
  if (!form) return;
  const place = () => {
    const wrong = JSON.parse(document.getElementById("wrong-fields").dataset.wrong);
    for (const field of form.elements) {
      if (!field.name || !field.id) continue;
      const said = document.getElementById(field.id + "-wrong");
      if (!said) continue;
      said.textContent = wrong[field.name] || "";
      if (wrong[field.name]) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
    }
  };
  document.addEventListener("htmx:afterSettle", place);

  // What the API server said of an earlier text must not stand beside a newer one.
  let edits = 0;
  let asked = 0;
  const say = (words, kind, busy) => {
    const preview = document.getElementById("preview");
    preview.setAttribute("aria-busy", String(busy));
    const note = preview.querySelector(".note");
    note.className = kind;
    note.replaceChildren(Object.assign(document.createElement("p"), { textContent: words }));
  };
  form.addEventListener("input", () => { edits += 1; say("Checking …", "note", true); });
  for (const failed of ["htmx:sendError", "htmx:responseError"]) {
    form.addEventListener(failed, () => {
      if (asked === edits) say("The portal does not answer. Change a field to ask again.", "note bad", false);
    });
  }
  form.addEventListener("htmx:beforeRequest", () => { asked = edits; });
  form.addEventListener("htmx:beforeSwap", (event) => {
    if (asked === edits) return;
    event.detail.shouldSwap = event.detail.isError = false;
    event.stopPropagation();
  });
})();
