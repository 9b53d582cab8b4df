(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  /* Failures: filters that combine, kept in the page's address, e.g. #failures-1?kind=missed&model=0 */
  const KEYS = ["kind", "model", "class", "truth", "size", "all", "only", "score", "sort"];
  for (const section of all("[data-section]")) {
    const anchor = section.id;
    for (const link of all(`a[data-filter][href="#${anchor}"]`)) link.href = `#${anchor}?${link.dataset.filter}`;
    const form = section.querySelector("form");
    if (!form) continue;
    const list = section.querySelector(".shots");
    const output = form.querySelector("output");
    const own = form.querySelector("[data-own]");
    const status = form.querySelector(".status");
    const shots = all(".shot", section).map(shot => ({
      shot,
      objects: Number(shot.dataset.objects),
      panels: all("[data-panel]", shot).map(panel => ({
        panel,
        own: Number(panel.dataset.ownThreshold),
        tally: panel.querySelector(".tally"),
        tags: all(".tag[data-score]", panel),
        boxes: all(".box", panel).map(box => ({
          box, kind: box.dataset.k, label: box.dataset.c, truth: box.dataset.t ?? "none", size: box.dataset.s, model: box.dataset.model,
          score: box.dataset.score === undefined ? null : Number(box.dataset.score),
          all: box.dataset.all !== undefined, only: box.dataset.only,
        })),
      })),
    }));
    const fields = () => Object.fromEntries(new FormData(form).entries());

    /* At a score: a detection is drawn from it on, an object is missed where none that finds it reaches it. */
    const draw = (filter, score) => {
      const asked = ["kind", "model", "class", "truth", "size", "all", "only"].some(key => filter[key] !== undefined);
      const fits = box =>
        (filter.kind === undefined || box.kind === filter.kind) &&
        (filter.model === undefined || box.model === filter.model) &&
        (filter.class === undefined || box.label === filter.class) &&
        (filter.truth === undefined || box.truth === filter.truth) &&
        (filter.size === undefined || box.size === filter.size) &&
        (filter.all === undefined || (box.kind === "missed" && box.all)) &&
        (filter.only === undefined ||
          (box.kind === "missed" && box.only !== undefined && (filter.only === "any" || box.only === filter.only)));
      let shown = 0;
      for (const {shot, panels} of shots) {
        let matching = 0;
        for (const {panel, own: threshold, tally, tags, boxes} of panels) {
          const least = score ?? threshold;
          const counts = {right: 0, wrong: 0, missed: 0};
          for (const item of boxes) {
            const found = item.score !== null && item.score >= least - 5e-5;
            const visible = item.kind === "missed" ? !found : found;
            item.box.classList.toggle("off", !visible);
            if (!visible) continue;
            if (item.kind === "correct") counts.right += 1;
            else if (item.kind === "missed") counts.missed += 1;
            else if (item.kind !== "ignored") counts.wrong += 1;
            const error = item.kind !== "correct" && item.kind !== "ignored";
            const fit = error && fits(item);
            item.box.classList.toggle("dim", asked && error && !fit);
            if (fit) matching += 1;
          }
          for (const tag of tags) {
            const reached = Number(tag.dataset.score) >= least - 5e-5;
            tag.classList.toggle("off", tag.matches(".k-missed") ? reached : !reached);
          }
          tally.textContent = `≥ ${least.toFixed(2)}: ${counts.right} right, ${counts.wrong} wrong, ${counts.missed} missed`;
        }
        shot.hidden = asked && matching === 0;
        shown += shot.hidden ? 0 : 1;
      }
      output.textContent = score === null ? "each model's own" : score.toFixed(2);
      own.disabled = score === null;
      status.textContent = asked ? `${shown} of ${shots.length} pictures on this page` : `${shots.length} pictures`;
    };
    const sort = key => {
      const order = [...shots];
      if (key === "score") order.sort((a, b) => b.shot.dataset.alarm - a.shot.dataset.alarm);
      if (key === "file") order.sort((a, b) => a.shot.dataset.file.localeCompare(b.shot.dataset.file));
      list.append(...order.map(({shot}) => shot));
    };

    /* The form and the address say the same. */
    let score = null;
    let sorted = "";
    const read = () => {
      const values = fields();
      const filter = {};
      for (const key of ["kind", "model", "class", "truth", "size", "sort"]) if (values[key]) filter[key] = values[key];
      if (values.objects === "all") filter.all = "1";
      if (values.objects === "only") filter.only = "any";
      if (values.objects.startsWith("only:")) filter.only = values.objects.slice(5);
      if (score !== null) filter.score = score.toFixed(2);
      return filter;
    };
    const apply = filter => {
      draw(filter, score);
      if ((filter.sort ?? "") !== sorted) sort(sorted = filter.sort ?? "");
    };
    const changed = () => {
      const filter = read();
      const text = new URLSearchParams(filter).toString();
      history.replaceState(null, "", text ? `#${anchor}?${text}` : `#${anchor}`);
      apply(filter);
    };
    const load = () => {
      const [id, text] = decodeURI(location.hash.slice(1)).split("?");
      if (id !== anchor || text === undefined) return;
      const asked = new URLSearchParams(text);
      const filter = Object.fromEntries([...asked].filter(([key]) => KEYS.includes(key)));
      score = filter.score !== undefined && filter.score >= 0 && filter.score <= 1 ? Number(filter.score) : null;
      for (const key of ["kind", "model", "class", "truth", "size", "sort"]) form.elements[key].value = filter[key] ?? "";
      form.elements.objects.value = filter.all ? "all" : filter.only === "any" ? "only" : filter.only ? `only:${filter.only}` : "";
      if (score !== null) form.elements.score.value = score;
      apply(read());
      form.scrollIntoView();
    };
    form.addEventListener("submit", event => event.preventDefault());
    form.addEventListener("input", event => {
      if (event.target.name === "score") score = Number(event.target.value);
      if (event.target.name === "labels") section.classList.toggle("no-tags", !event.target.checked);
      else changed();
    });
    form.addEventListener("reset", () => {
      score = null;
      section.classList.remove("no-tags");
      setTimeout(changed);
    });
    own.addEventListener("click", () => { score = null; changed(); });
    const open = () => {
      const shot = /^#shot-/.test(location.hash) && document.getElementById(location.hash.slice(1));
      if (!shot || !section.contains(shot)) return;
      shot.hidden = false;
      shot.open = true;
      shot.scrollIntoView();
    };
    addEventListener("hashchange", load);
    addEventListener("hashchange", open);
    apply({});
    load();
    open();

    /* j and k: open the next or the previous picture. */
    addEventListener("keydown", event => {
      const step = {j: 1, k: -1}[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey || document.activeElement?.matches("input, select, textarea")) return;
      const visible = all(".shot:not([hidden])", section);
      const now = visible.findIndex(shot => shot.open);
      const next = visible[now < 0 ? (step > 0 ? 0 : visible.length - 1) : now + step];
      if (!next) return;
      for (const shot of visible) shot.open = shot === next;
      next.scrollIntoView({block: "nearest"});
      next.querySelector("summary").focus({preventScroll: true});
      event.preventDefault();
    });
  }
})();
