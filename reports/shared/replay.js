"use strict";
// The map of an episode plays: every step sets classes and words of what has changed since the
// step shown before. The time line of the same article and the map follow each other.
for (const article of document.querySelectorAll("article.timeline")) {
  const player = article.querySelector(".replay");
  if (!player) continue;
  const data = JSON.parse(article.querySelector("script").textContent);
  const one = (name) => player.querySelector(name);
  const all = (name, top = player) => [...top.querySelectorAll(name)];
  const { steps, hosts, zones, levels, health } = data;
  const last = steps - 1;
  const SVG = "http://www.w3.org/2000/svg";
  const FREE = "waits";

  // A number per host and step, from the runs that the page has.
  const codes = new Uint16Array(steps * hosts.length);
  const states = [...new Set(hosts.flatMap((host) => host.states.map((run) => run[1])))];
  const add = (host, start, stop, value) => {
    for (let t = start; t < stop; t += 1) codes[t * hosts.length + host] |= value;
  };
  hosts.forEach((host, i) => {
    host.states.forEach(([start, state], k) =>
      add(i, start, host.states[k + 1]?.[0] ?? steps, states.indexOf(state)));
    host.levels.forEach(([start, stop, level]) => add(i, start, stop, levels.indexOf(level) << 4));
    host.process.forEach(([start, stop]) => add(i, start, stop, 1 << 6));
    host.connection.forEach(([start, stop]) => add(i, start, stop, 1 << 7));
    host.decoys.forEach(([start, stop, kinds]) => add(i, start, stop, Number(kinds) << 8));
    host.health.forEach(([start, stop, name]) => add(i, start, stop, health.indexOf(name) << 12));
  });
  const now = (code) => ({
    state: states[code & 15], level: code >> 4 & 3, process: code >> 6 & 1, connection: code >> 7 & 1,
    decoys: code >> 8 & 15, health: code >> 12,
  });
  const looks = new Map();
  const look = (code) => {
    if (!looks.has(code)) {
      const host = now(code);
      const believed = data.believed[host.state];
      looks.set(code, [`l${host.level}`, `b-${host.state}`,
        believed && believed !== levels[host.level] ? "off" : "", host.process ? "p" : "",
        host.connection ? "c" : "", host.decoys ? "d" : "", host.health ? `h${host.health}` : "",
      ].filter(Boolean).join(" "));
    }
    return looks.get(code);
  };
  const words = (host, code) => {
    const is = now(code);
    const alerts = [is.process && "malicious process", is.connection && "network connection"].filter(Boolean);
    return [`${host.name}: in truth ${levels[is.level]}`, `red’s belief ${is.state}`,
      ...(alerts.length ? [`alerts: ${alerts.join(" and ")}`] : []),
      ...(is.decoys ? [`kinds of decoys: ${is.decoys}`] : []),
      ...(is.health ? [`services ${health[is.health]}`] : [])].join("; ");
  };

  // What happens by step.
  const perStep = () => Array.from({ length: steps }, () => []);
  const [blueAt, redAt, failedAt, phishedAt] = [perStep(), perStep(), perStep(), perStep()];
  for (const action of data.blue) {
    for (let t = action[0]; t < Math.min(action[1], steps); t += 1) blueAt[t].push(action);
  }
  for (const action of data.red) {
    for (let t = action[0]; t <= Math.min(action[1] ?? last, last); t += 1) redAt[t].push(action);
  }
  data.failures.forEach((failure) => failedAt[failure[0]].push(failure));
  data.phished.forEach(([step, host]) => phishedAt[step].push(host));
  const rewards = Array.from({ length: steps }, (_, t) =>
    data.rewards.reduce((sum, cause) => sum + cause[t], 0));
  const totals = [];
  rewards.reduce((sum, reward, t) => (totals[t] = t < data.counted ? sum + reward : sum), 0);
  const held = Array.from({ length: steps }, (_, t) => hosts.filter((host, i) =>
    host.agent && codes[t * hosts.length + i] >> 4 & 3).length);
  const shut = perStep();
  data.blocks.forEach(([start, stop, to, from, needed]) => {
    for (let t = start; t < stop; t += 1) shut[t].push([`${zones[to]} ${zones[from]}`, needed]);
  });

  const middle = (placed) => placed.getAttribute("transform").match(/[\d.]+/g).slice(0, 2).map(Number);
  // The two arrangements; the one that the window hides is left alone.
  const views = all(".replay-layer").map((layer) => {
    const map = layer.querySelector("svg.map");
    const marks = all(".host", map);
    return {
      layer, marks, overlay: layer.querySelector("svg.acts"), shown: new Int32Array(hosts.length).fill(-1),
      kinds: marks.map((mark) => mark.classList[1]),
      texts: marks.map((mark) => [mark.querySelector(".belief"), mark.querySelector(".decoy text"), mark.querySelector("title")]),
      spots: marks.map(middle), scale: Number(layer.dataset.scale),
      gates: new Map(all(".gate", map).map((gate) => [gate.dataset.link, gate])), shut: new Map(),
      zones: new Map(all("[data-zone]", map).map((zone) => {
        const frame = zone.querySelector(".frame");
        const [x, y, width] = ["x", "y", "width"].map((name) => Number(frame.getAttribute(name)));
        return [zone.dataset.zone, { zone, x: x + width / 2, y: y + 17 }];
      })),
    };
  });
  const visible = () => views.find((view) => view.layer.offsetParent !== null) ?? views[0];

  const element = (name, attributes, parent) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent.append(made);
    return made;
  };
  const BRACKET = "M-19,-11v-8h8M11,-19h8v8M19,11v8h-8M-11,19h-8v-8";
  const HEAD = "M0,0l-9,-4.5v9z";
  const BEND = 0.16;
  const GATE = "M-17,-4v-6h6M11,-10h6v6M17,4v6h-6M-11,10h-6v-6";
  // A bent line between two marks, and the head of an arrow at its end.
  const arc = (from, to, scale) => {
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    const middle = [(from[0] + to[0]) / 2 + dy * BEND, (from[1] + to[1]) / 2 - dx * BEND];
    const trim = ([x, y], by) => {
      const far = Math.hypot(middle[0] - x, middle[1] - y);
      return [x + (middle[0] - x) * by / far, y + (middle[1] - y) * by / far];
    };
    const [start, end, tip] = [trim(from, 15 * scale), trim(to, 22 * scale), trim(to, 15 * scale)];
    const turned = Math.atan2(tip[1] - end[1], tip[0] - end[0]) * 180 / Math.PI;
    return [`M${start}Q${middle} ${end}`, `translate(${tip}) rotate(${turned}) scale(${scale})`];
  };
  const place = (view, host, zone) => host >= 0 ? view.spots[host]
    : [view.zones.get(zones[zone])?.x ?? 0, view.zones.get(zones[zone])?.y ?? 0];

  const label = (parent, [x, y], below, text) =>
    element("text", { x, y: y + below }, parent).append(text);
  const SIGNS = { going: "", done: " \u2713", failed: " \u2717" };

  const acts = (view, t) => {
    view.overlay.replaceChildren();
    for (const { zone } of view.zones.values()) zone.classList.remove("swept");
    const layer = element("g", { class: timer === null ? "" : "playing" }, view.overlay);
    for (const [, host, target] of failedAt[t]) {
      if (host < 0) continue;
      const group = element("g", { class: "green-act" }, layer);
      const [x, y] = view.spots[host];
      if (target >= 0) element("path", { class: "access", d: `M${view.spots[host]}L${view.spots[target]}` }, group);
      element("path", { class: "cross", d: `M${x - 18},${y - 16}l8,8m0,-8l-8,8` }, group);
    }
    for (const [, due, , kind, host, outcome, , source, zone] of redAt[t]) {
      const state = due !== t ? "going" : data.outcomes[outcome] === "success" ? "done" : "failed";
      const group = element("g", { class: `red-act ${state}` }, layer);
      const target = place(view, host, zone);
      if (host < 0) view.zones.get(zones[zone])?.zone.classList.add("swept");
      if (source >= 0 && source !== host) {
        const [d, transform] = arc(view.spots[source], target, view.scale);
        element("path", { class: "way", d }, group);
        element("path", { class: "tip", transform, d: HEAD }, group);
      } else if (host >= 0) element("circle", { class: "ring", cx: target[0], cy: target[1], r: 18 * view.scale }, group);
      label(group, target, 28 * view.scale, data.verbs[1][kind] + SIGNS[state]);
    }
    for (const [, , , kind, host, , , , to, from] of blueAt[t]) {
      const gate = from < 0 ? null : view.gates.get(`${zones[to]} ${zones[from]}`);
      const spot = gate ? middle(gate) : place(view, host, to);
      const group = element("g", { class: "blue-act", transform: `translate(${spot}) scale(${view.scale})` }, layer);
      element("path", { class: "bracket", d: gate ? GATE : BRACKET }, group);
      label(group, [0, 0], gate ? -12 : -21, data.verbs[0][kind]);
    }
  };

  const number = (value) => String(Math.round(value * 10) / 10).replace("-", "\u2212");
  const name = (host) => hosts[host].name;
  const phase = (t) => data.phases.find(([start, stop]) => start <= t && t < stop)[2];
  const target = (host, zone) => host >= 0 ? name(host) : data.zoneNames[zone];
  const ENDS = { success: "succeeds", failure: "fails", dropped: "dropped: its session is gone", none: "" };
  const blueWords = ([start, stop, , kind, host, outcome, , link, to], t) => [
    `${data.kinds[0][kind]} · ${link || target(host, to)}`,
    ...(stop - start > 1 ? [`step ${t - start + 1} of ${stop - start}`] : []),
    ...(t === stop - 1 && outcome ? [ENDS[data.outcomes[outcome]]] : [])].join(" · ");
  const redWords = ([, due, , kind, host, outcome, detected, source, zone], t) => [
    `${data.kinds[1][kind]} · ${target(host, zone)}`,
    ...(source >= 0 && source !== host ? [`from ${name(source)}`] : []),
    due === t ? ENDS[data.outcomes[outcome]] : due === null ? "not due before the end" : `due in ${due - t}`,
    ...(due === t && detected ? ["blue can see it"] : [])].join(" · ");
  const VERBS = { ExploitRemoteService: "broke into", PrivilegeEscalate: "became root on", Impact: "stopped the service of", DegradeServices: "degraded" };
  const UNDONE = { Restore: "restored", Remove: "ran Remove on" };
  const sentence = (t) => {
    const events = phishedAt[t].map((host) => `a phishing mail let red in on ${name(host)}`);
    for (const [, due, agent, kind, host, outcome] of redAt[t]) {
      const verb = VERBS[data.kinds[1][kind]];
      if (due === t && verb && host >= 0 && data.outcomes[outcome] === "success") events.push(`red ${agent} ${verb} ${name(host)}`);
    }
    for (const [, stop, agent, kind, host, outcome] of blueAt[t]) {
      const verb = UNDONE[data.kinds[0][kind]];
      if (stop - 1 === t && verb && host >= 0 && data.outcomes[outcome] === "success") events.push(`blue ${agent} ${verb} ${name(host)}`);
    }
    const shown = events.slice(0, 4);
    if (events.length > shown.length) shown.push(`${events.length - shown.length} more`);
    if (failedAt[t].length) shown.push(`${failedAt[t].length} ${failedAt[t].length > 1 ? "actions" : "action"} of users failed`);
    return `Step ${t}, ${phase(t)}: ${shown.length ? shown.join("; ") : "nothing was taken or won back"}. Reward ${number(rewards[t])}.`;
  };

  const slider = one(".replay-strip input");
  const says = one(".replay-says");
  const fields = ["step", "phase", "held", "reward", "total"].map((field) => one(`.replay-${field}`));
  const lists = ["blue", "red"].map((side) => all(`.replay-${side} span`));
  let [step, chosen, timer] = [0, -1, null];

  const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const draw = () => {
    const [t, view] = [step, visible()];
    for (let i = 0; i < hosts.length; i += 1) {
      const code = codes[t * hosts.length + i] << 1 | (i === chosen);
      if (view.shown[i] === code) continue;
      view.shown[i] = code;
      const is = now(code >> 1);
      view.marks[i].setAttribute("class", `host ${view.kinds[i]} ${look(code >> 1)}${i === chosen ? " chosen" : ""}`);
      write(view.texts[i][0], is.state === "unknown" ? "" : is.state);
      write(view.texts[i][1], is.decoys > 1 ? String(is.decoys) : "");
      write(view.texts[i][2], words(hosts[i], code >> 1));
    }
    const closed = new Map(shut[t]);
    for (const [link, gate] of view.gates) {
      const look = closed.has(link) ? (closed.get(link) ? "gate shut needed" : "gate shut") : "gate";
      if (gate.getAttribute("class") !== look) gate.setAttribute("class", look);
    }
    acts(view, t);
    [`Step ${t}`, phase(t), number(held[t]), number(rewards[t]), number(totals[t])].forEach((text, i) => write(fields[i], text));
    lists[0].forEach((item, agent) => {
      const action = blueAt[t].find((candidate) => Number(candidate[2]) === agent);
      write(item, action ? blueWords(action, t) : FREE);
    });
    lists[1].forEach((item, agent) => {
      const own = redAt[t].filter((candidate) => Number(candidate[2]) === agent);
      const action = own.find((candidate) => candidate[1] === t) ?? own[0];
      write(item, action ? redWords(action, t) : "–");
    });
    slider.value = t;
    slider.setAttribute("aria-valuetext", `Step ${t} of ${steps}, ${phase(t)}`);
    write(says, sentence(t));
  };
  const go = (to, by = "map", host = chosen) => {
    step = Math.min(Math.max(to, 0), last);
    chosen = host;
    draw();
    if (by === "map") {
      const playing = timer !== null;
      article.dispatchEvent(new CustomEvent("moved", { detail: { step, host: chosen, by, playing } }));
    }
  };

  // Playing: the clock of the screen decides when the next step is due.
  const play = one(".replay-play");
  const speed = one(".replay-speed");
  const stop = () => {
    if (timer !== null) cancelAnimationFrame(timer);
    timer = null;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
    says.setAttribute("aria-live", "polite");
    go(step);
  };
  const start = () => {
    let [from, since, rate] = [step === last ? 0 : step, performance.now(), Number(speed.value)];
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    says.setAttribute("aria-live", "off");
    const tick = (time) => {
      if (Number(speed.value) !== rate || (step !== from && step !== due)) {
        [from, since, rate] = [step, time, Number(speed.value)];
      }
      due = Math.min(from + Math.max(Math.floor((time - since) * rate / 1000), 0), last);
      timer = requestAnimationFrame(tick);
      if (due !== step) go(due);
      if (step === last) stop();
    };
    let due = from;
    timer = requestAnimationFrame(tick);
    go(from);
  };
  const toggle = () => { if (timer === null) start(); else stop(); };

  const before = () => go(data.moments.findLast((moment) => moment < step) ?? 0);
  const after = () => go(data.moments.find((moment) => moment > step) ?? last);
  const GO = { before, after, play: toggle, back: () => go(step - 1), on: () => go(step + 1) };
  const KEYS = {
    " ": toggle, ArrowLeft: (by) => go(step - by), ArrowRight: (by) => go(step + by), Home: () => go(0),
    End: () => go(last), PageUp: before, PageDown: after,
  };
  player.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    const inside = event.target.closest("button, select, a, summary");
    if (!act || inside || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(event.shiftKey ? 10 : 1);
  });
  one(".replay-bar").addEventListener("click", (event) => GO[event.target.closest("button")?.dataset.go]?.());
  slider.addEventListener("input", () => go(Number(slider.value)));
  const list = one(".replay-moments");
  list.addEventListener("change", () => { if (list.value) go(Number(list.value)); list.value = ""; });
  for (const link of document.querySelectorAll(`a[data-step][href="#${player.id}"]`)) {
    link.addEventListener("click", () => {
      const tab = article.closest(".panel")?.previousElementSibling?.control;
      if (tab) tab.checked = true;
      go(Number(link.dataset.step), "map", hosts.findIndex((host) => host.id === link.dataset.host));
      one(".replay-map").focus({ preventScroll: true });
    });
  }
  for (const view of views) {
    view.marks.forEach((mark, i) => mark.addEventListener("click", () => go(step, "map", i)));
  }
  article.addEventListener("moved", ({ detail }) => {
    if (detail.by !== "map") go(detail.step, detail.by, detail.host);
  });
  addEventListener("resize", draw);
  for (const hidden of [slider, ...all(".replay-bar, .replay-now, .replay-figures")]) hidden.hidden = false;
  draw();
}
