/* What errors, time and size cost the reader: orders the models by their cost for one picture, with intervals.
   reports/weighing.py describes the data. */
(() => {
  for (const form of document.querySelectorAll("form[data-weighing]")) {
    const data = JSON.parse(form.dataset.weighing);
    const field = name => form.elements[name];
    const answer = form.querySelector("[role=status]");
    const list = form.querySelector("ol");
    const n = data.models.length;
    const number = value => value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
    const signed = value => (value < 0 ? "\u2212" : "+") + number(Math.abs(value));
    const entered = name => Math.max(0, Number(field(name)?.value) || 0);

    const change = () => {
      const step = Number(field("miss").value);
      const miss = data.missCosts[step];
      const perMs = data.latency ? entered("ms") : 0;
      const perMb = data.megabytes.includes(null) ? 0 : entered("mb");
      const told = `${miss} false alarm${miss === 1 ? "" : "s"}`;
      field("miss").setAttribute("aria-valuetext", told);
      form.querySelector("output").textContent = told;
      const cost = data.errors[step].map((errors, i) =>
        errors + perMs * (data.latency?.[i] ?? 0) + perMb * (data.megabytes[i] ?? 0));
      const order = data.models.map((_, i) => i).sort((i, j) => cost[i] - cost[j]);
      const [best, ...others] = order;
      const against = i => {
        const place = best * n + i;
        const half = Math.hypot(data.errorHalves[step][place], perMs * (data.latencyHalves?.[place] ?? 0));
        return {more: cost[i] - cost[best], low: cost[i] - cost[best] - half, high: cost[i] - cost[best] + half};
      };
      const open = others.filter(i => against(i).low <= 0).map(i => data.models[i]);
      const first = data.models[best];
      const which = open.length
        ? `It can't be told whether ${first} or ${open.join(" or ")} costs less.`
        : data.several ? `Take ${first}: it surely costs least.`
        : `Take ${first}: it costs least, but another training may differ.`;
      answer.textContent = which;
      list.replaceChildren(...order.map(i => {
        const item = document.createElement("li");
        const name = document.createElement("bdi");
        name.textContent = data.models[i];
        const d = against(i);
        const rest = i === best ? "" : `, ${signed(d.more)} (${signed(d.low)} to ${signed(d.high)})`;
        item.append(name, ` ${number(cost[i])} a picture${rest}`);
        return item;
      }));
    };
    form.addEventListener("submit", event => event.preventDefault());
    form.addEventListener("input", change);
    form.addEventListener("reset", () => setTimeout(change));
    change();
  }
})();
