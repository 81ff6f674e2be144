"use strict";
(() => {
  const table = document.getElementById("observations");
  const tip = document.getElementById("tip");
  if (!table) return;
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const marks = new Map();
  for (const mark of document.querySelectorAll("svg [data-row]")) {
    mark.querySelector("title")?.remove();
    marks.set(mark.dataset.row, [...(marks.get(mark.dataset.row) ?? []), mark]);
  }

  const collator = new Intl.Collator(undefined, { numeric: true });
  const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return isNaN(a) || isNaN(b) ? collator.compare(a, b) : a - b;
  };
  const sort = (head, column) => {
    const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [key(a, column), key(b, column)];
      return x === "" || y === "" ? compare(x, y) : way * compare(x, y);
    });
    body.append(...rows);
  };
  table.classList.add("sorts");
  heads.forEach((head, column) => {
    head.tabIndex = 0;
    head.addEventListener("click", () => sort(head, column));
    head.addEventListener("keydown", (event) => event.key === "Enter" && sort(head, column));
  });

  let lit = null;
  const light = (number) => {
    if (number === lit) return;
    for (const one of [lit, number]) {
      if (one === null) continue;
      for (const mark of marks.get(one) ?? []) mark.classList.toggle("lit", one === number);
      document.getElementById("r" + one)?.classList.toggle("lit", one === number);
    }
    lit = number;
  };
  const tell = (number) => {
    const cells = [...document.getElementById("r" + number).cells];
    tip.replaceChildren();
    cells.forEach((cell, column) => {
      if (!("brief" in heads[column].dataset) || !cell.textContent) return;
      const line = document.createElement("div");
      const name = document.createElement("b");
      name.textContent = heads[column].textContent + " ";
      line.append(name, ...[...cell.childNodes].map((node) => node.cloneNode(true)));
      tip.append(line);
    });
  };
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest("svg [data-row]");
    const row = mark ? null : event.target.closest("#observations tbody tr");
    light(mark ? mark.dataset.row : row ? row.id.slice(1) : null);
    tip.hidden = !mark;
    if (mark) tell(mark.dataset.row);
  });
  document.addEventListener("pointermove", (event) => {
    if (tip.hidden) return;
    const box = tip.getBoundingClientRect();
    const x = Math.min(event.clientX + 14, innerWidth - box.width - 8);
    const y = event.clientY + 16 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 16;
    tip.style.left = Math.max(8, x) + "px";
    tip.style.top = Math.max(8, y) + "px";
  });
  document.addEventListener("click", (event) => {
    const mark = event.target.closest("svg [data-row]");
    if (mark) location.hash = "r" + mark.dataset.row;
  });
})();
