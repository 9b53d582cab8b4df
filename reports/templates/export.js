/* Tables as CSV, Markdown or LaTeX (booktabs) on the clipboard; charts as SVG, with text as text, or PNG. */
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const HIDDEN = ".hidden, .strip, .bars, .stack, .only-js, svg, .off";

  /* Tables */
  const text = cell => {
    const copy = cell.cloneNode(true);
    for (const part of all(HIDDEN, copy)) part.remove();
    for (const small of all("small", copy)) small.prepend(" ");
    return copy.textContent.replace(/\s+/g, " ").trim();
  };
  const wide = cell => [text(cell), ...Array(cell.colSpan - 1).fill("")];
  const grid = table => {
    const groups = table.tHead.rows.length > 1 ? Array.from(table.tHead.rows[0].cells).flatMap(cell => Array(cell.colSpan).fill(text(cell))) : [];
    const last = Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells);
    const titles = last.map(cell => text(cell) || cell.textContent.trim());
    const head = titles.map((title, i) => titles.indexOf(title) !== titles.lastIndexOf(title) && groups[i] ? `${groups[i]}: ${title}` : title);
    const rows = all("tbody tr", table).filter(row => !row.hidden).map(row => Array.from(row.cells).flatMap(wide));
    const kept = head.map((_, i) => !last[i].classList.contains("wide") || rows.some(row => row[i]));
    return [head, ...rows].map(row => row.filter((_, i) => kept[i]));
  };
  const csv = rows => rows.map(row => row.map(value =>
    /[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value).join(",")).join("\n") + "\n";
  const markdown = ([head, ...rows]) => {
    const line = row => `| ${row.map(value => value.replaceAll("\\", "\\\\").replaceAll("|", "\\|").replaceAll("<", "&lt;")).join(" | ")} |`;
    return [line(head), `|${head.map((_, i) => i ? "---:" : "---").join("|")}|`, ...rows.map(line)].join("\n") + "\n";
  };
  const ESCAPES = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "\u2212": "$-$", "\u00b1": "$\\pm$", "\u2013": "--", "<": "$<$", ">": "$>$", "|": "$|$"};
  const escaped = value => value.replace(/[\\~^\u2212\u00b1\u2013<>|]|[&%$#_{}]/g, letter => ESCAPES[letter] ?? `\\${letter}`);
  const latex = ([head, ...rows]) => {
    const line = row => `${row.map(escaped).join(" & ")} \\\\`;
    return ["% \\usepackage{booktabs}", `\\begin{tabular}{l${"r".repeat(Math.max(0, head.length - 1))}}`, "\\toprule", line(head), "\\midrule", ...rows.map(line), "\\bottomrule", "\\end{tabular}"].join("\n") + "\n";
  };
  const FORMS = {CSV: csv, Markdown: markdown, LaTeX: latex};

  const copied = async value => {
    try {
      await navigator.clipboard.writeText(value);
    } catch {  // no permission, as in a notebook's frame
      const field = document.createElement("textarea");
      field.value = value;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  };
  const bar = (names, label, act) => {
    const tools = document.createElement("p");
    tools.className = "tools";
    tools.setAttribute("role", "group");
    tools.setAttribute("aria-label", label);
    tools.append(label.split(" ", 1)[0] + ":");
    const said = document.createElement("span");
    said.setAttribute("role", "status");
    for (const name of names) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", async () => { said.textContent = await act(name); });
      tools.append(button);
    }
    tools.append(said);
    return tools;
  };
  for (const table of all("table")) {
    if (!table.tHead) continue;
    const what = text(table.caption?.querySelector("b") ?? table.caption ?? table.tHead).slice(0, 60);
    const tools = bar(Object.keys(FORMS), `Copy the table: ${what}`, async name => {
      const value = FORMS[name](grid(table));
      table.dataset.copied = value;
      await copied(value);
      return `copied as ${name}`;
    });
    table.after(tools);
  }

  /* Charts: what is seen, drawn once more as one SVG. */
  const NS = document.createRange().createContextualFragment("<svg></svg>").firstChild.namespaceURI;
  const drawn = figure => {
    const frame = figure.getBoundingClientRect();
    const svg = document.createElementNS(NS, "svg");
    const [width, height] = [Math.ceil(frame.width), Math.ceil(frame.height)];
    const put = (name, attributes, content) => {
      const item = document.createElementNS(NS, name);
      for (const [key, value] of Object.entries(attributes)) if (value !== null) item.setAttribute(key, value);
      if (content !== undefined) item.textContent = content;
      svg.append(item);
    };
    for (const [key, value] of Object.entries({xmlns: NS, width, height, viewBox: `0 0 ${width} ${height}`})) svg.setAttribute(key, value);
    put("rect", {width, height, fill: getComputedStyle(document.body).backgroundColor});
    const round = value => Math.round(value * 100) / 100;
    const x = value => round(value - frame.left);
    const y = value => round(value - frame.top);
    const clear = colour => colour === "transparent" || /, 0\)$/.test(colour);
    const shape = (item, style) => {
      const matrix = item.getScreenCTM();
      const at = (px, py) => { const p = new DOMPoint(px, py).matrixTransform(matrix); return [x(p.x), y(p.y)]; };
      const look = {stroke: style.stroke === "none" ? null : style.stroke, "stroke-width": parseFloat(style.strokeWidth) || null, "stroke-dasharray": style.strokeDasharray === "none" ? null : style.strokeDasharray, fill: style.fill};
      if (item.tagName === "line") {
        const [from, to] = [at(item.x1.baseVal.value, item.y1.baseVal.value), at(item.x2.baseVal.value, item.y2.baseVal.value)];
        put("line", {...look, x1: from[0], y1: from[1], x2: to[0], y2: to[1]});
      } else if (item.tagName === "polyline") {
        put("polyline", {...look, fill: "none", points: Array.from(item.points).map(p => at(p.x, p.y).join(",")).join(" ")});
      } else if (item.tagName === "path") {
        put("path", {...look, "stroke-width": null, stroke: null, d: item.getAttribute("d"), transform: `matrix(${round(matrix.a)} 0 0 ${round(matrix.d)} ${x(matrix.e)} ${y(matrix.f)})`});
      }
    };
    const words = (node, style) => {
      const range = document.createRange();
      const lines = [];
      for (const match of node.textContent.matchAll(/\S+\s*/g)) {
        range.setStart(node, match.index);
        range.setEnd(node, match.index + match[0].trimEnd().length);
        const box = range.getBoundingClientRect();
        if (!box.width) continue;
        const line = lines.at(-1);
        if (line && Math.abs(line.box.top - box.top) < 2) line.text += ` ${match[0].trimEnd()}`;
        else lines.push({box, text: match[0].trimEnd()});
      }
      for (const {box, text: told} of lines) {
        put("text", {x: x(box.left), y: y(box.top + 0.79 * box.height), fill: style.color, "font-size": style.fontSize, "font-family": style.fontFamily, "font-weight": style.fontWeight}, told);
      }
    };
    const walk = element => {
      const style = getComputedStyle(element);
      if (style.display === "none" || style.visibility === "hidden" || element.matches(".hidden, .tools, .guide")) return;
      const box = element.getBoundingClientRect();
      if (element instanceof SVGElement) shape(element, style);
      else {
        if (!clear(style.backgroundColor) && box.width && box.height) put("rect", {x: x(box.left), y: y(box.top), width: round(box.width), height: round(box.height), rx: parseFloat(style.borderTopLeftRadius) || null, fill: style.backgroundColor, opacity: style.opacity === "1" ? null : style.opacity});
        if (element.matches(".plot")) {
          put("line", {x1: x(box.left), x2: x(box.left), y1: y(box.top), y2: y(box.bottom), stroke: style.borderLeftColor});
          put("line", {x1: x(box.left), x2: x(box.right), y1: y(box.bottom), y2: y(box.bottom), stroke: style.borderLeftColor});
        }
        if (element.matches(".strip:not(.scale)")) put("line", {x1: x(box.left), x2: x(box.right), y1: y(box.top + box.height / 2), y2: y(box.top + box.height / 2), stroke: "#dde1e6"});
      }
      for (const child of element.childNodes) {
        if (child.nodeType === Node.TEXT_NODE) words(child, style);
        else if (child.nodeType === Node.ELEMENT_NODE) walk(child);
      }
    };
    walk(figure);
    return {source: new XMLSerializer().serializeToString(svg), width, height};
  };
  const save = (href, name) => {
    const link = document.createElement("a");
    link.href = href;
    link.download = name;
    link.click();
  };
  const uri = source => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`;
  const png = ({source, width, height}) => new Promise((done, failed) => {
    const image = new Image();
    image.onerror = failed;
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * width, 2 * height];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      done(canvas.toDataURL("image/png"));
    };
    image.src = uri(source);
  });
  for (const figure of all("figure.chart, figure.rows")) {
    const title = figure.getAttribute("aria-label");
    const name = title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "chart";
    figure.append(bar(["SVG", "PNG"], `Download the chart: ${title}`, async form => {
      const made = drawn(figure);
      const href = form === "SVG" ? uri(made.source) : await png(made);
      figure.dataset.saved = href;
      save(href, `${name}.${form.toLowerCase()}`);
      return "saved";
    }));
  }
})();
