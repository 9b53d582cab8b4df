"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  document.documentElement.classList.add("js");

  /* Sorting. Rows without a figure stay last, whichever way. */
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    const heads = all("thead tr:last-child th", table);
    const value = (row, column) => row.cells[column] ? row.cells[column].dataset.v ?? "" : "";
    const compare = (a, b) => {
      const [x, y] = [Number(a), Number(b)];
      return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
    };
    heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const first = head.dataset.better === "high" ? "descending" : "ascending";
      const next = now ? (now === "ascending" ? "descending" : "ascending") : first;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", next);
      const rows = Array.from(body.rows);
      const filled = rows.filter(row => value(row, column) !== "");
      filled.sort((a, b) => compare(value(a, column), value(b, column)) * (next === "ascending" ? 1 : -1));
      body.append(...filled, ...rows.filter(row => value(row, column) === ""));
    }));
  }

  /* A model's marks, lines and bars come and go with its name in the legend. */
  for (const chip of all("[data-toggle]")) {
    chip.addEventListener("click", () => {
      const show = chip.getAttribute("aria-pressed") === "false";
      chip.setAttribute("aria-pressed", String(show));
      for (const item of all(`[data-m="${chip.dataset.toggle}"]`)) item.classList.toggle("off", !show);
    });
  }

  /* What stands under the pointer. */
  const tip = document.getElementById("tip");
  const say = (text, event) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = event.clientX + 14 + box.width > innerWidth ? event.clientX - box.width - 10 : event.clientX + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 4))}px`;
  };
  const hush = () => { tip.hidden = true; };
  for (const item of all("[data-m][title], .bar[title]")) {
    const text = item.title;
    item.removeAttribute("title");
    item.addEventListener("pointermove", event => { say(text, event); event.stopPropagation(); });
    item.addEventListener("pointerleave", hush);
  }

  /* Values of all lines at the epoch, or the trial, under the pointer. */
  for (const plot of all(".plot")) {
    const lines = all("polyline:not(.rule)", plot).map(line => ({
      line,
      xs: line.dataset.x.split(" ").map(Number),
      ys: line.dataset.y.split(" "),
      at: line.getAttribute("points").split(" ").map(pair => pair.split(",").map(Number)),
    }));
    if (!lines.length) continue;
    const guide = document.createElement("i");
    guide.className = "guide off";
    plot.append(guide);
    plot.addEventListener("pointermove", event => {
      const box = plot.getBoundingClientRect();
      const percent = 100 * (event.clientX - box.left) / box.width;
      const height = 100 * (event.clientY - box.top) / box.height;
      const near = lines.filter(({line}) => !line.classList.contains("off")).map(entry => {
        const gaps = entry.at.map(([x]) => Math.abs(x - percent));
        const index = gaps.indexOf(Math.min(...gaps));
        return {entry, index, gap: gaps[index], away: Math.abs(entry.at[index][1] - height)};
      });
      if (!near.length) return;
      const least = Math.min(...near.map(item => item.gap));
      const hit = near.filter(item => item.gap <= least + 1e-6).sort((a, b) => a.away - b.away).slice(0, 8);
      guide.style.left = `${hit[0].entry.at[hit[0].index][0]}%`;
      guide.classList.remove("off");
      const rows = hit.map(({entry, index}) => `${entry.line.dataset.label}: ${entry.ys[index]}`);
      say([`${plot.dataset.xLabel} ${hit[0].entry.xs[hit[0].index]}`, ...rows].join("\n"), event);
    });
    plot.addEventListener("pointerleave", () => { guide.classList.add("off"); hush(); });
  }
})();
