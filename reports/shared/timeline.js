"use strict";
// The picture of an episode answers the pointer and the keyboard: a cursor that is read out, a
// range of steps to look at closely, layers to leave away.
for (const article of document.querySelectorAll("article.timeline")) {
  const data = JSON.parse(article.querySelector("script").textContent);
  const svg = article.querySelector("svg.timeline");
  const box = article.querySelector(".timeline-picture");
  const bar = article.querySelector(".timeline-bar");
  const out = article.querySelector(".timeline-readout");
  const [first, last] = [bar.querySelector(".from"), bar.querySelector(".to")];
  const [left, plot, bottom, height] = ["left", "plot", "bottom", "row"].map((name) => Number(svg.dataset[name]));
  const marks = [...svg.querySelectorAll(".marks path")].map((path) => [path, path.getAttribute("d")]);
  const placed = [...svg.querySelectorAll("[data-step]")];
  const CAUSES = ["failed local work", "failed accesses", "red’s Impacts", "blue’s actions"];
  const view = { from: 0, to: data.steps };
  const at = { step: 0, host: 0 };
  bar.hidden = out.hidden = false;

  const draw = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    svg.append(element);
    return element;
  };
  const row = draw("rect", { class: "row", x: left, width: plot, height, visibility: "hidden" });
  const line = draw("path", { class: "cursor", visibility: "hidden" });
  const drag = draw("rect", { class: "drag", y: 30, height: bottom - 30, visibility: "hidden" });

  const toX = (step) => left + plot * (step - view.from) / (view.to - view.from);
  const toStep = (x) => view.from + (view.to - view.from) * (x - left) / plot;
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  const show = (from, to) => {
    const least = Math.min(10, data.steps);
    view.from = clamp(Math.round(from), 0, data.steps - least);
    view.to = clamp(Math.round(to), view.from + least, data.steps);
    const scale = plot / (view.to - view.from);
    for (const group of svg.querySelectorAll(".steps")) {
      group.setAttribute("transform", `translate(${left - view.from * scale} 0) scale(${scale} 1)`);
    }
    const whole = plot / data.steps;
    for (const [path, d] of marks) {
      path.setAttribute("d", d.replace(/M([\d.]+),/g, (_, x) =>
        `M${toX((x - left) / whole).toFixed(1)},`));
    }
    for (const element of placed) {
      element.setAttribute("transform", `translate(${toX(Number(element.dataset.step)).toFixed(1)} 0)`);
    }
    svg.classList.toggle("near", view.to - view.from <= 200);
    [first.value, last.value] = [view.from, view.to];
    mark();
  };
  const zoom = (factor, middle = (view.from + view.to) / 2) => {
    const half = (view.to - view.from) * factor / 2;
    const from = clamp(middle - half, 0, Math.max(data.steps - 2 * half, 0));
    show(from, from + 2 * half);
  };

  const number = (value) => String(value).replace("-", "\u2212");
  const covers = (runs) => runs.some(([start, stop]) => start <= at.step && at.step < stop);
  const started = (runs) => runs.findLast(([start]) => start <= at.step);
  const sum = (step) => data.rewards.reduce((total, cause) => total + cause[step], 0);
  const sentence = () => {
    const host = data.hosts[at.host];
    const [since, state] = started(host.states);
    const level = host.levels.find(([start, stop]) => start <= at.step && at.step < stop);
    const alerts = ["process", "connection"].filter((name) => covers(host[name]));
    const lines = [[
      `Step ${at.step}, ${data.phases.find(([start, stop]) => start <= at.step && at.step < stop)[2]}`,
      `${host.name}: state ${state} since ${since}`,
      `in truth ${level ? `${level[2]} since ${level[0]}` : "clean"}`,
      alerts.length ? `alerts: ${alerts.join(" and ")}` : "no alert",
    ]];
    for (const [start, stop, agent, kind, target, outcome, chance, traffic] of data.blue) {
      if (start > at.step || stop <= at.step || (target !== at.host && target >= 0)) continue;
      if (target < 0 && host.agent?.slice(-1) !== agent) continue;
      lines.push([`Blue agent ${agent}: ${data.kinds[0][kind]} ${traffic}`.trim(), `steps ${start} to ${stop - 1}`,
        ...(outcome ? [data.outcomes[outcome]] : []), ...(chance === null ? [] : [`chosen with probability ${chance}`])]);
    }
    for (const [start, step, agent, kind, target, outcome, detected] of data.red) {
      const end = step ?? data.steps;
      if (start > at.step || end < at.step || target !== at.host) continue;
      lines.push([`Red agent ${agent}: ${data.kinds[1][kind]}`, `begun at ${start}`,
        step === at.step ? `due now: ${data.outcomes[outcome]}` : `due at ${end}`,
        ...(step === at.step && detected ? ["left an event that blue watches"] : [])]);
    }
    const here = host.lost.find(([step]) => step === at.step);
    const causes = CAUSES.flatMap((name, i) =>
      data.rewards[i][at.step] ? [`${name} ${number(data.rewards[i][at.step])}`] : []);
    lines.push([`Reward ${number(sum(at.step))}${causes.length ? ` (${causes.join(", ")})` : ""}`,
      ...(here ? [`on this host ${number(here[1])}`] : [])]);
    return lines.map((parts) => parts.join(" · ")).join("\n");
  };
  const mark = () => {
    const seen = at.step >= view.from && at.step < view.to;
    const x = toX(at.step + 0.5);
    line.setAttribute("d", `M${x},30V${bottom}`);
    line.setAttribute("visibility", seen ? "visible" : "hidden");
    row.setAttribute("y", data.hosts[at.host].y);
    row.setAttribute("visibility", "visible");
    out.textContent = sentence();
  };
  // The map of the same episode follows clicks and keys, not the pointer that only looks.
  const tell = () => article.dispatchEvent(
    new CustomEvent("moved", { detail: { step: at.step, host: at.host, by: "timeline" } }));
  const go = (step, host) => {
    at.step = clamp(step, 0, data.steps - 1);
    at.host = clamp(host, 0, data.hosts.length - 1);
    if (at.step < view.from || at.step >= view.to) {
      const width = view.to - view.from;
      const from = clamp(at.step - width / 2, 0, data.steps - width);
      show(from, from + width);
    } else mark();
  };

  const KEYS = {
    ArrowLeft: (by) => go(at.step - by, at.host), ArrowRight: (by) => go(at.step + by, at.host),
    ArrowUp: (by) => go(at.step, at.host - by), ArrowDown: (by) => go(at.step, at.host + by),
    Home: () => go(0, at.host), End: () => go(data.steps - 1, at.host),
    "+": () => zoom(0.5, at.step), "=": () => zoom(0.5, at.step), "-": () => zoom(2, at.step),
    0: () => show(0, data.steps),
  };
  box.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(event.shiftKey ? 10 : 1);
    tell();
  });

  const point = (event) => new DOMPoint(event.clientX, event.clientY)
    .matrixTransform(svg.getScreenCTM().inverse());
  let from = null;
  svg.addEventListener("pointerdown", (event) => { from = point(event).x; });
  svg.addEventListener("pointermove", (event) => {
    const { x, y } = point(event);
    if (from !== null && event.buttons && Math.abs(x - from) > 6) {
      drag.setAttribute("x", Math.min(x, from));
      drag.setAttribute("width", Math.abs(x - from));
      drag.setAttribute("visibility", "visible");
    }
    if (x < left || x >= left + plot) return;
    const host = data.hosts.findIndex((candidate) => y >= candidate.y && y < candidate.y + height);
    go(Math.floor(toStep(x)), host < 0 ? at.host : host);
  });
  svg.addEventListener("pointerup", (event) => {
    const { x } = point(event);
    drag.setAttribute("visibility", "hidden");
    if (from !== null && event.pointerType === "mouse" && Math.abs(x - from) > 6) {
      const steps = [toStep(Math.min(x, from)), toStep(Math.max(x, from))];
      show(...steps);
    } else if (from !== null) tell();
    from = null;
  });
  svg.addEventListener("pointerleave", () => {
    from = null;
    drag.setAttribute("visibility", "hidden");
  });

  bar.addEventListener("click", (event) => {
    const act = event.target.dataset.do;
    if (act === "all") show(0, data.steps);
    else if (act) zoom(act === "in" ? 0.5 : 2, act === "in" ? at.step : undefined);
  });
  for (const field of [first, last]) {
    field.addEventListener("change", () => show(Number(first.value), Number(last.value)));
  }
  for (const layer of bar.querySelectorAll("[data-layer]")) {
    const update = () => svg.classList.toggle("no-" + layer.dataset.layer, !layer.checked);
    layer.addEventListener("change", update);
    update();
  }
  for (const link of article.querySelectorAll("a[data-from]")) {
    link.addEventListener("click", () => {
      const host = data.hosts.findIndex((candidate) => candidate.id === link.dataset.host);
      show(Number(link.dataset.from), Number(link.dataset.to));
      go(Number(link.dataset.at ?? link.dataset.from), host < 0 ? at.host : host);
      box.focus({ preventScroll: true });
      tell();
    });
  }
  let inView = false;
  new IntersectionObserver(([entry]) => { inView = entry.isIntersecting; }).observe(box);
  article.addEventListener("moved", ({ detail }) => {
    if (detail.by === "timeline" || (detail.playing && !inView)) return;
    go(detail.step, detail.host < 0 ? at.host : detail.host);
  });
  mark();
}
