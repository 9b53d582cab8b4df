/* Curves: a threshold that moves, one confusion matrix at a time, and the search for a class. */
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  for (const section of all(".curves")) {
    const form = section.querySelector("form.thresholds");
    if (!form) continue;
    const output = form.querySelector("output");
    const rows = all(".at-threshold tbody tr", section).map(row => ({row, own: all("td", row).map(cell => cell.textContent)}));
    const charts = all(".over-score .chart", section).map(chart => {
      const rule = chart.querySelector("polyline.rule");
      return {rule, own: rule.getAttribute("points"), series: all("polyline:not(.rule)", chart).map(line => ({
        name: line.dataset.label, xs: line.dataset.x.split(" ").map(Number), ys: line.dataset.y.split(" ").map(Number)}))};
    });
    const columns = {precision: 1, recall: 2, F1: 3};
    const show = threshold => {
      output.textContent = threshold === null ? "each model's own" : threshold.toFixed(2);
      charts.forEach(({rule, own, series}, i) => {
        const cells = all("td", rows[i].row);
        rule.setAttribute("points", threshold === null ? own : `${100 * threshold},100 ${100 * threshold},0`);
        if (threshold === null) return cells.forEach((cell, k) => { cell.textContent = rows[i].own[k]; });
        cells.forEach((cell, k) => { cell.textContent = k ? "\u2013" : threshold.toFixed(3); });
        for (const {name, xs, ys} of series) {
          const at = xs.findIndex(x => Math.abs(x - threshold) < 1e-6);
          if (at >= 0) cells[columns[name]].textContent = ys[at].toFixed(3);
        }
      });
    };
    form.addEventListener("submit", event => event.preventDefault());
    form.addEventListener("input", () => show(Number(form.elements.threshold.value)));
    form.addEventListener("reset", () => show(null));

    const chooser = section.querySelector("form.matrices");
    const choose = () => {
      for (const matrix of all("[data-matrix]", section)) matrix.classList.toggle("off", matrix.dataset.matrix !== chooser.elements.matrix.value);
    };
    chooser.addEventListener("submit", event => event.preventDefault());
    chooser.addEventListener("input", choose);
    choose();
  }

  for (const field of all("input[data-search]")) {
    const rows = all("tbody tr", document.getElementById(field.dataset.search));
    const said = field.closest("p").querySelector("output");
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      let shown = 0;
      for (const row of rows) {
        row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
        shown += row.hidden ? 0 : 1;
      }
      said.textContent = wanted ? `${shown} of ${rows.length}` : "";
    });
  }
})();
