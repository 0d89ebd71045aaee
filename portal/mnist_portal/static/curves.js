// Curves by uPlot. Colours come from the sheet, so that they follow the light or dark scheme; the page gives each curve
// its points as plain data, and a table of the same numbers for whoever does not see it.
"use strict";

(() => {
  const holder = document.getElementById("plots");
  if (!holder) return;
  const scheme = window.matchMedia("(prefers-color-scheme: dark)");
  const percent = new Set(["accuracy"]);
  const order = ["loss", "accuracy", "images/s", "test loss"];
  const plots = new Map();
  let last = null;

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = (name, value) => value === null || value === undefined ? "" : percent.has(name)
    ? (100 * value).toFixed(2) + " %" : Math.abs(value) >= 1000 ? Math.round(value).toLocaleString() : Number(value.toPrecision(4)).toString();

  function options(name, width, lines) {
    const axis = { stroke: style("--dim"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line") }, font: "12px system-ui" };
    return {
      width, height: 190, legend: { show: false }, cursor: { drag: { x: true, y: false }, points: { size: 6 } },
      scales: { x: { time: false } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((tick) => Number.isInteger(tick) ? tick : "") },
        { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => percent.has(name) ? Number((100 * tick).toFixed(2)) + " %" : shown(name, tick)) },
      ],
      series: [{ label: "epoch" }, ...lines.map((label, number) => ({
        label, stroke: style(`--series-${number % 6 + 1}`), width: 2, spanGaps: true, dash: number >= 6 ? [6, 4] : undefined,
        points: { show: (plot, index) => plot.data[index].filter((value) => value !== null).length < 40, size: 5 },
      }))],
      hooks: { setCursor: [(plot) => tell(name, plot)] },
    };
  }

  function tell(name, plot) {
    const told = document.querySelector(`[data-value="${CSS.escape(name)}"]`);
    if (!told) return;
    const index = plot.cursor.idx;
    const values = plot.data.slice(1);
    const at = index === null || index === undefined ? plot.data[0].length - 1 : index;
    const parts = values.map((column) => column[at]).filter((value) => value !== null && value !== undefined).map((value) => shown(name, value));
    const epoch = plot.data[0][at];
    told.textContent = parts.length ? parts.join(" · ") + (index === null || index === undefined ? "" : ` at epoch ${Number(epoch.toFixed(2))}`) : "";
  }

  function figure(name) {
    let found = [...holder.children].find((one) => one.dataset.name === name);
    if (found) return found;
    found = document.createElement("figure");
    found.className = "plot";
    found.dataset.name = name;
    const caption = document.createElement("figcaption");
    caption.append(name + " ");
    const value = document.createElement("b");
    value.dataset.value = name;
    caption.append(value);
    const canvas = document.createElement("div");
    canvas.className = "canvas";
    canvas.setAttribute("role", "img");
    found.append(caption, canvas);
    holder.append(found);
    return found;
  }

  // `data`: figure -> [[xs, ys] of each line]; `labels`: the lines' names.
  function draw(data, labels) {
    last = [data, labels];
    const names = Object.keys(data).sort((a, b) => (order.indexOf(a) + 99) % 99 - (order.indexOf(b) + 99) % 99 || a.localeCompare(b));
    document.getElementById("no-points")?.classList.toggle("hidden", names.length > 0);
    names.forEach(figure);  // all of them first: how many there are decides how wide each is
    for (const name of names) {
      const place = figure(name).querySelector(".canvas");
      const columns = uPlot.join(data[name].map(([xs, ys]) => [xs, ys]));
      const known = plots.get(name);
      const ys = columns.slice(1).flat().filter((value) => value !== null && value !== undefined);
      place.setAttribute("aria-label", `Curve of ${name} over epochs: ${ys.length} points, from ${shown(name, ys[0])} to ${shown(name, ys[ys.length - 1])}`);
      if (known && known.series.length === columns.length) known.setData(columns);
      else {
        known?.destroy();
        place.replaceChildren();
        plots.set(name, new uPlot(options(name, Math.max(220, place.clientWidth), labels), columns, place));
      }
      tell(name, plots.get(name));
    }
  }

  function again() {
    if (!last) return;
    for (const plot of plots.values()) plot.destroy();
    plots.clear();
    draw(...last);
  }

  const one = (text) => Object.fromEntries(Object.entries(JSON.parse(text)).map(([name, pair]) => [name, [pair]]));
  const many = JSON.parse(holder.dataset.many || "null");
  if (many) {
    const data = {};
    many.forEach((curves, number) => {
      for (const [name, pair] of Object.entries(curves.series)) (data[name] ||= many.map(() => [[], []]))[number] = pair;
    });
    draw(data, many.map((curves) => curves.label));
  } else {
    draw(one(holder.dataset.points), ["this training"]);
    document.addEventListener("points", (event) => draw(one(event.detail), ["this training"]));
  }
  scheme.addEventListener("change", again);
  let wait = 0;
  window.addEventListener("resize", () => { clearTimeout(wait); wait = setTimeout(again, 150); });
})();
