(() => {
  "use strict";
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const run = document.body.dataset.run;
  const base = `/evening/${run}`;
  const sheet = document.getElementById("sheet");
  const keys = document.getElementById("keys");

  // -- what changes while one looks: taken from the server, part by part -------------------------
  const busy = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, textarea");
  // What a finger is on, or somebody types into, is not taken away under it; what that kept back is asked for again.
  let pressed = false, owed = false;
  const released = () => { pressed = false; if (owed) refresh(); };
  document.addEventListener("pointerdown", () => { pressed = true; }, true);
  // Behind the click that ends it, which comes after the release and has to find what was pressed.
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => setTimeout(released), true);
  document.addEventListener("pointermove", (event) => { if (pressed && !event.buttons) released(); }, true);  // let go outside
  document.addEventListener("focusout", () => setTimeout(() => { if (owed && !pressed) refresh(); }));
  const replace = (part, fresh) => {
    const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.replaceWith(fresh);
    htmx.process(fresh);
    if (focus) document.getElementById(focus)?.focus();
  };
  const merge = (part, fresh) => {
    if (!part || part.isEqualNode(fresh)) return;
    if (busy(part) || pressed) { owed = true; return; }
    const rows = all("[data-live]", part), wanted = all("[data-live]", fresh);
    const same = rows.length > 0 && rows.length === wanted.length && rows.every((row, n) => row.id === wanted[n].id);
    if (!same) { replace(part, fresh); return; }
    // The same rows: only those that changed are drawn anew, so that a finger stays where it is.
    rows.forEach((row, n) => { if (!row.isEqualNode(wanted[n])) replace(row, wanted[n].cloneNode(true)); });
    for (const outer of [".tally", "h2"]) part.querySelector(outer)?.replaceWith(fresh.querySelector(outer));
  };
  const show = (html) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const fresh of [...page.body.children]) if (fresh.id) merge(document.getElementById(fresh.id), document.adoptNode(fresh));
    choices();
  };
  let asked = 0, answered = 0;
  const refresh = async () => {
    owed = false;
    const number = ++asked;
    const answer = await fetch(`${base}/live`).catch(() => null);
    if (!answer || !answer.ok) { away(true); return; }
    const html = await answer.text();
    if (number < answered) return;  // a later answer is on the page already
    answered = number;
    away(false);
    show(html);
  };
  const away = (gone) => { document.getElementById("away").hidden = !gone; };

  const said = (text) => { const line = document.getElementById("said"); if (line) line.textContent = text; };
  const choices = () => {
    const standing = document.getElementById("standing");
    const out = new Set(standing.dataset.leftOut.split(" ").filter(Boolean));
    const open = ["to be decided", "rejected", "approval void"].includes(standing.dataset.phase);
    for (const box of all("[data-go]")) { box.checked = !out.has(box.dataset.go); box.disabled = !open; }
    for (const row of all("tr[data-ref], details[data-ref]")) row.classList.toggle("left", out.has(row.dataset.ref));
    // What is below is not what would be decided on: only what is out already can be touched.
    const stale = standing.dataset.digest !== document.body.dataset.digest;
    document.getElementById("changed").hidden = !stale;
    for (const button of all("#decision .acts button:not(#do-cancel-all, #do-follow)")) button.disabled = stale;
    for (const box of all("[data-go], [data-why], [data-include]")) if (stale) box.disabled = true;
  };

  // -- acts that need no sheet ------------------------------------------------------------------
  const post = async (act, values) => {
    const answer = await fetch(`${base}/${act}`, {
      method: "POST",
      headers: { "X-CSRF-Token": document.body.dataset.csrf, "X-Shown": document.body.dataset.digest },
      body: new URLSearchParams({ seen: document.getElementById("standing").dataset.version, ...values }),
    }).catch(() => null);
    if (!answer) { away(true); return; }
    const text = await answer.text();
    if (answer.ok) { if (text) show(text); else await refresh(); return; }
    problem(text);
    await refresh();
  };
  const problem = (html) => { document.getElementById("sheet-body").innerHTML = html; open(); };
  const choose = (ref, goes, why = "") => post("choose", { ref, goes: goes ? "yes" : "no", why });

  document.addEventListener("change", (event) => {
    const box = event.target.closest("[data-go]");
    if (box) {
      said(`${box.getAttribute("aria-label") ?? box.dataset.go}: ${box.checked ? "goes" : "left out"}`);
      choose(box.dataset.go, box.checked);
    }
    const why = event.target.closest("[data-why]");
    if (why) choose(why.dataset.why, false, why.value);
    if (event.target.id === "keys-on") store("afterclose-keys", event.target.checked ? "on" : "off");
    if (event.target.matches("[data-reviewer]")) store("afterclose-reviewer", event.target.value);
  });
  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    if (at("[data-include]")) choose(at("[data-include]").dataset.include, true);
    if (at("[data-post]")) { at("[data-post]").disabled = true; post(at("[data-post]").dataset.post, {}); }
    if (at("[data-back]")) sheet.close();
    if (at("[data-keys]")) keys.showModal();
    if (at("[data-close-keys]")) keys.close();
    if (at("[data-reload]")) location.reload();
  });

  // -- sheets -----------------------------------------------------------------------------------
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private windows may have none */ } };
  const recall = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  let opener = "";
  // What answers is no sheet: the guard at the door, or a server that failed. It is never passed over in silence.
  const strange = (body) => {
    const text = body.textContent.trim() || "The server said nothing.";
    body.replaceChildren(document.getElementById("no-sheet").content.cloneNode(true));
    body.querySelector("p").textContent = text;
  };
  const open = () => {
    if (!sheet.querySelector("#sheet-title")) strange(document.getElementById("sheet-body"));
    if (!sheet.open) sheet.showModal();
    const name = sheet.querySelector("[data-reviewer]");
    if (name && recall("afterclose-reviewer")) name.value = recall("afterclose-reviewer");
    const first = sheet.querySelector("textarea, input[name=typed]") ?? sheet.querySelector("#sheet-title");
    first?.focus();
  };
  document.addEventListener("htmx:beforeRequest", (event) => { if (!sheet.contains(event.target)) opener = event.target.id; });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "sheet-body") return;
    open();
    if (sheet.querySelector("[data-problem]")) refresh();
  });
  document.addEventListener("htmx:sendError", () => away(true));
  document.body.addEventListener("done", () => { sheet.close(); refresh(); });
  sheet.addEventListener("close", () => {
    document.getElementById("sheet-body").replaceChildren();
    (document.getElementById(opener) ?? document.querySelector("#decision button"))?.focus();
  });

  // -- keys -------------------------------------------------------------------------------------
  const on = document.getElementById("keys-on");
  on.checked = recall("afterclose-keys") !== "off";
  let here = null;
  const rows = () => all(".audit tbody tr[data-ref]").filter((row) => !row.hidden);
  const go = (step) => {
    const list = rows();
    if (!list.length) return;
    const next = list[Math.min(list.length - 1, Math.max(0, list.indexOf(here) + step))] ?? list[0];
    here?.classList.remove("here");
    here = list.includes(here) ? next : list[0];
    here.classList.add("here");
    here.querySelector("th a").focus({ preventScroll: true });
    here.scrollIntoView({ block: "center" });
  };
  const drawer = () => here && document.getElementById(here.querySelector("th a").hash.slice(1));
  const acts = {
    j: () => go(1),
    k: () => go(-1),
    x: () => here?.querySelector("[data-go]:not(:disabled)")?.click(),
    o: () => { const d = drawer(); if (d) { d.open = !d.open; if (d.open) d.scrollIntoView({ block: "start" }); } },
    "/": () => (here?.closest("[data-side]") ?? document).querySelector("[data-filter]")?.focus(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (!on.checked || typing || sheet.open || keys.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const button = document.querySelector(`#decision [data-key="${CSS.escape(event.key)}"]`);
    if (!acts[event.key] && !button) return;
    event.preventDefault();
    if (acts[event.key]) acts[event.key](); else button.click();
  });

  // -- what others do, and the gateway ------------------------------------------------------------
  const stream = new EventSource(`${base}/events`);
  stream.onmessage = refresh;
  stream.onopen = () => away(false);
  stream.onerror = () => { if (stream.readyState !== EventSource.OPEN) away(true); };
  choices();
  // htmx takes hold of the buttons when the document is whole; its listener came before this one.
  const ready = () => { document.documentElement.dataset.review = "ready"; };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready); else ready();
})();
