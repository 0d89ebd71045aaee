// A sheet to draw on. What is drawn, chosen or dropped goes to the portal as a picture file; its answer is put beside.
"use strict";

(() => {
  const pad = document.getElementById("pad");
  if (!pad) return;
  const form = document.getElementById("try");
  const answer = document.getElementById("answer");
  const file = document.getElementById("picture");
  const pen = pad.getContext("2d");
  let drawing = false;
  let drawn = false;
  let last = null;
  let waiting = 0;
  let turn = 0;

  function clear() {
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, pad.width, pad.height);
    drawn = false;
  }

  function at(event) {
    const box = pad.getBoundingClientRect();
    return [(event.clientX - box.left) * pad.width / box.width, (event.clientY - box.top) * pad.height / box.height];
  }

  function line(from, to) {
    pen.strokeStyle = "#10131a";
    pen.lineWidth = 20;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(to[0] + 0.01, to[1]);
    pen.stroke();
    drawn = true;
  }

  async function ask(picture, name) {
    const mine = ++turn;
    const data = new FormData(form);
    data.set("picture", picture, name);
    answer.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(form.action, { method: "POST", body: data, headers: { "HX-Request": "true" } });
      const html = await response.text();
      if (mine === turn) answer.innerHTML = html;
    } catch {
      if (mine === turn) answer.textContent = "The portal cannot be reached. Try again.";
    }
    answer.removeAttribute("aria-busy");
  }

  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (drawn) pad.toBlob((blob) => ask(blob, "drawing.png"), "image/png"); }, 250);
  }

  pad.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    pad.setPointerCapture(event.pointerId);
    drawing = true;
    last = at(event);
    line(last, last);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!drawing) return;
    for (const one of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) { const next = at(one); line(last, next); last = next; }
  });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { if (drawing) { drawing = false; soon(); } });

  document.getElementById("clear").addEventListener("click", () => { turn++; clear(); answer.innerHTML = "<p class=\"dim\">Draw a digit.</p>"; file.value = ""; });
  function take(chosen) {
    if (!chosen) return;
    const image = new Image();
    image.onload = () => {
      clear();
      const scale = Math.min(pad.width / image.width, pad.height / image.height);
      pen.drawImage(image, (pad.width - image.width * scale) / 2, (pad.height - image.height * scale) / 2, image.width * scale, image.height * scale);
    };
    const reader = new FileReader();
    reader.onload = () => { image.src = reader.result; };
    reader.readAsDataURL(chosen);
    ask(chosen, chosen.name);
  }
  file.addEventListener("change", () => take(file.files[0]));
  pad.addEventListener("dragover", (event) => { event.preventDefault(); pad.classList.add("over"); });
  pad.addEventListener("dragleave", () => pad.classList.remove("over"));
  pad.addEventListener("drop", (event) => { event.preventDefault(); pad.classList.remove("over"); take(event.dataTransfer.files[0]); });
  clear();
})();
