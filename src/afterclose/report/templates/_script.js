(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  root.classList.remove("no-script");

  // Light or dark: the reader's system decides until the reader does.
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  const remember = (value) => { try { localStorage.setItem("afterclose-theme", value); } catch { /* a file opened from a mail may have no storage */ } };
  const recall = () => { try { return localStorage.getItem("afterclose-theme"); } catch { return null; } };
  if (recall() === "dark" || recall() === "light") root.dataset.theme = recall();
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; remember(root.dataset.theme); name(); });
  system.addEventListener("change", name);
  name();

  // A link to an order opens its drawer, and brings it into sight even where a filter hides it.
  const reveal = (hash) => {
    const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
    if (target && target.tagName === "DETAILS") { target.hidden = false; target.open = true; target.scrollIntoView({ block: "start" }); }
  };
  window.addEventListener("hashchange", () => reveal(location.hash));
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#o-"]');
    if (link) reveal(link.getAttribute("href"));
  });

  const key = (row, column, kind) => {
    const value = row.cells[column].dataset.value;
    if (value === "") return null;
    return kind === "number" ? Number(value) : value.toLowerCase();
  };
  // What is unknown sorts last, whichever way.
  const compare = (a, b, way) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return (a > b ? 1 : a < b ? -1 : 0) * way;
  };
  const sort = (header) => {
    const body = header.closest("table").tBodies[0];
    const down = header.getAttribute("aria-sort") === "ascending";
    all("th[aria-sort]", header.parentElement).forEach((th) => th.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const kind = header.querySelector("button").dataset.sort;
    const column = header.cellIndex;
    const rows = [...body.rows].sort((a, b) => compare(key(a, column, kind), key(b, column, kind), down ? -1 : 1));
    body.append(...rows);
  };

  for (const side of all("[data-side]")) {
    all("th button[data-sort]", side).forEach((b) => b.addEventListener("click", () => sort(b.closest("th"))));
    const rows = all("tbody tr[data-ref]", side);
    const drawers = new Map(all("details[data-ref]", side).map((d) => [d.dataset.ref, d]));
    const text = side.querySelector("[data-filter]");
    const verdict = side.querySelector("select[data-verdict]");
    if (!text) continue;
    const words = new Map(rows.map((r) => [r, `${r.textContent} ${r.dataset.ref} ${drawers.get(r.dataset.ref)?.querySelector("summary").textContent ?? ""}`.toLowerCase()]));
    const filter = () => {
      const wanted = text.value.trim().toLowerCase().split(/\s+/);
      let shown = 0;
      for (const row of rows) {
        const match = wanted.every((w) => words.get(row).includes(w)) && (!verdict.value || row.dataset.verdict === verdict.value);
        row.hidden = !match;
        const drawer = drawers.get(row.dataset.ref);
        if (drawer) drawer.hidden = !match;
        shown += match ? 1 : 0;
      }
      side.querySelector("[data-count]").textContent = `${shown} of ${rows.length}`;
    };
    text.addEventListener("input", filter);
    verdict.addEventListener("change", filter);
    side.querySelector("[data-open]").addEventListener("click", () => drawers.forEach((d) => { d.open = true; }));
    side.querySelector("[data-close]").addEventListener("click", () => drawers.forEach((d) => { d.open = false; }));
  }

  // What can be scrolled can be reached by keyboard, and nothing else stops the Tab key.
  const reach = () => {
    for (const box of all(".scroll, figure, .columns > div")) {
      const scrolls = box.scrollWidth > box.clientWidth || (box.matches(".scroll") && box.scrollHeight > box.clientHeight);
      if (scrolls) box.tabIndex = 0; else box.removeAttribute("tabindex");
    }
  };
  window.addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);
  reach();

  // On paper nobody opens a drawer: what is not clear prints whole, and what the reader has opened.
  let closed = [];
  window.addEventListener("beforeprint", () => { closed = all("details.fold:not([open]), details.r-look:not([open]), details.r-blocked:not([open])"); closed.forEach((d) => { d.open = true; }); });
  window.addEventListener("afterprint", () => closed.forEach((d) => { d.open = false; }));

  reveal(location.hash);
  root.dataset.ready = "yes";
})();
