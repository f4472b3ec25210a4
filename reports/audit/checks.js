"use strict";
// The table of checks is complete without this; with it, its rows can be chosen and put in order.
for (const table of document.querySelectorAll("table.checks")) {
  const rows = [...table.tBodies];
  const bar = table.closest("section").querySelector(".filters");
  const selects = [...bar.querySelectorAll("select")];
  const status = bar.querySelector(".shown");
  const choose = () => {
    for (const row of rows) {
      row.hidden = selects.some((select) => select.value && row.dataset[select.dataset.filter] !== select.value);
    }
    status.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} checks shown`;
  };
  const reset = () => {
    for (const select of selects) select.value = "";
    choose();
  };
  bar.hidden = false;
  bar.addEventListener("change", choose);
  bar.querySelector("button").addEventListener("click", reset);
  choose();

  const heads = [...table.tHead.rows[0].cells].filter((head) => head.dataset.sort);
  const compare = (key) => (a, b) => {
    const rank = `${key}Rank`;
    return rank in a.dataset ? a.dataset[rank] - b.dataset[rank] : a.dataset[key].localeCompare(b.dataset[key]);
  };
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = compare(head.dataset.sort);
      table.append(...rows.sort((a, b) => (up ? 1 : -1) * order(a, b)));
    });
  }

  // A link to a check that is filtered away shows it again, and opens its details.
  const open = () => {
    const row = rows.find((found) => location.hash === `#${found.id}`);
    if (!row) return;
    if (row.hidden) reset();
    row.querySelector("details").open = true;
    row.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
}
