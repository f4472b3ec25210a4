"use strict";
// The page is complete without this script; with it, the contents follow the reader, drawings
// answer the pointer and the keyboard, and tables sort.
(() => {
  const contents = document.querySelector("nav.side details");
  if (contents) {
    const wide = matchMedia("(min-width: 1200px)");
    const fit = () => { contents.open = wide.matches; };
    wide.addEventListener("change", fit);
    fit();
    const links = new Map([...contents.querySelectorAll("a")].map((a) => [a.hash.slice(1), a]));
    contents.addEventListener("click", (event) => {
      if (event.target.closest("a")) fit();
    });
    const follow = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        links.forEach((link) => link.removeAttribute("aria-current"));
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    }, { rootMargin: "-15% 0px -80% 0px" });
    document.querySelectorAll("main > section").forEach((section) => follow.observe(section));
  }
})();
(() => {
  for (const figure of document.querySelectorAll("figure.machine")) {
    const drawings = [...figure.querySelectorAll("svg.fsm")];
    const toggles = figure.querySelector(".toggles");
    toggles.hidden = false;
    for (const box of toggles.querySelectorAll("input")) {
      const update = () => drawings.forEach((drawing) =>
        drawing.classList.toggle("no-" + box.dataset.hide, !box.checked));
      box.addEventListener("change", update);
      update();
    }
  }
  const light = (drawing, state) => {
    drawing.classList.toggle("dim", state !== null);
    for (const part of drawing.querySelectorAll(".edge, .state")) {
      const words = [...part.classList];
      const hot = words.includes("from-" + state) || words.includes("to-" + state) ||
        words.includes("at-" + state);
      part.classList.toggle("hot", hot);
    }
    for (const edge of drawing.querySelectorAll(".edge.hot")) {
      for (const word of edge.classList) {
        const end = word.match(/^(?:from|to)-(.+)$/);
        if (end) {
          drawing.querySelectorAll(".at-" + end[1]).forEach((part) => part.classList.add("hot"));
        }
      }
    }
  };
  for (const drawing of document.querySelectorAll("figure.machine svg.fsm")) {
    for (const part of drawing.querySelectorAll(".state")) {
      const state = [...part.classList].find((word) => word.startsWith("at-")).slice(3);
      for (const event of ["pointerenter", "focusin"]) {
        part.addEventListener(event, () => light(drawing, state));
      }
      for (const event of ["pointerleave", "focusout"]) {
        part.addEventListener(event, () => light(drawing, null));
      }
    }
  }
})();
(() => {
  const value = (row, column) => {
    const text = (row.cells[column]?.textContent ?? "").trim();  // cells may span columns
    const number = parseFloat(text.replace(/[,\u00a0<>%]/g, "").replace("\u2212", "-"));
    return Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return typeof a === "number" ? a - b : a.localeCompare(b);
  };
  for (const table of document.querySelectorAll("table.data")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.setAttribute("aria-sort", "none");
      head.tabIndex = 0;
      const sort = () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => (up ? 1 : -1) * compare(value(a, column), value(b, column)));
        table.tBodies[0].append(...rows);
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          sort();
        }
      });
    });
  }
})();
