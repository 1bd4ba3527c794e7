// Makes the columns of every table sortable; without it the tables keep their order.
for (const table of document.querySelectorAll("main table")) {
  const heads = [...table.querySelectorAll("thead tr:only-child > th")];
  const body = table.tBodies[0];
  if (!heads.length || !body || body.rows.length < 3) continue;
  if ([...body.rows].some((row) => row.cells.length !== heads.length)) continue;
  const number = (text) => parseFloat(text.replace(/,/g, "").replace("−", "-"));
  const compare = (one, two) => {
    const [a, b] = [number(one), number(two)];
    return isNaN(a) || isNaN(b) ? one.localeCompare(two, "en", { numeric: true }) : a - b;
  };
  heads.forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.title = "Sort by this column";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const missing = (text) => text === "–" || text === "";
      const rows = [...body.rows].map((row) => [row.cells[column].textContent.trim(), row]);
      rows.sort(([a], [b]) => missing(a) - missing(b) || (up ? 1 : -1) * compare(a, b));
      body.append(...rows.map(([, row]) => row));
    });
  });
}
