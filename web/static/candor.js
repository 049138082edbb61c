// What pages can't do without a script: keys, countdowns, the heartbeat of a lease, and telling people at once. Everything else works
// without it. Nothing here makes markup of text.
"use strict";
(() => {
  const root = document.documentElement;
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const token = () => document.body.dataset.token;

  // ---- Words for people who listen, and for everybody when something goes wrong.

  const say = (text) => {
    const place = $("#say");
    place.textContent = "";
    // A region that is emptied and filled in one go is not announced again.
    setTimeout(() => { place.textContent = text; }, 50);
  };

  const alertOf = (kind, title, text) => {
    const box = document.createElement("div");
    box.className = "notice " + kind;
    const strong = document.createElement("strong");
    strong.textContent = title;
    const p = document.createElement("p");
    p.textContent = text;
    box.append(strong, p);
    return box;
  };

  const showAlert = (kind, title, text) => { $("#alerts").replaceChildren(alertOf(kind, title, text)); };
  const clearAlert = () => { $("#alerts").replaceChildren(); };

  // ---- Settings. The page remembers them in cookies that the server sets.

  const setUpSettings = () => {
    const form = $("form[data-settings]");
    if (!form) return;
    $("[data-without-script]", form).hidden = true;
    form.addEventListener("change", () => {
      const data = new FormData(form);
      const theme = data.get("theme");
      if (theme) root.dataset.theme = theme; else delete root.dataset.theme;
      root.dataset.keys = data.get("keys") ? "on" : "off";
      fetch(form.action, { method: "POST", body: new URLSearchParams(data), redirect: "manual" }).catch(() => {});
    });
    const logout = $('form[action="/logout"]');
    if (logout) logout.addEventListener("submit", () => sessionStorage.clear());
    document.addEventListener("click", (e) => {
      const menu = $("details.menu[open]");
      if (menu && !menu.contains(e.target)) menu.open = false;
    });
  };

  const rememberZone = () => {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && /^[A-Za-z0-9_+/-]{1,64}$/.test(zone)) {
      document.cookie = "candor_zone=" + zone + "; path=/; max-age=31536000; samesite=strict" + (location.protocol === "https:" ? "; secure" : "");
    }
  };

  // ---- Keys. They click what says data-key; off while somebody types, and where they are switched off (WCAG 2.1.4).

  const typing = (el) => el.matches && el.matches("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]");
  const usable = (el) => el && !el.disabled && !el.closest("fieldset:disabled") && el.getClientRects().length > 0;
  let lastChange = 0; // when the page showed something new
  const settle = 350; // ms in which Enter does nothing then: nobody has read it yet

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.altKey || e.metaKey || e.isComposing || e.repeat) return;
    if (e.key === "Escape") {
      const menu = $("details.menu[open]");
      if (menu) { menu.open = false; $("summary", menu).focus(); return; }
      if (typing(e.target) && !e.target.closest("[popover]")) e.target.blur();
      return;
    }
    if (e.key === "Enter") {
      if (e.target.matches("button, a, summary, input, textarea, select") || $(":popover-open")) return;
      const button = all("[data-enter]").find(usable);
      if (button && performance.now() - lastChange > settle) { e.preventDefault(); button.click(); }
      return;
    }
    if (e.key.length !== 1 || root.dataset.keys === "off" || typing(e.target) || $(":popover-open")) return;
    const target = all("[data-key]").find((el) => el.dataset.key === e.key.toLowerCase() && usable(el));
    if (!target) return;
    e.preventDefault();
    if (target.matches("textarea, input:not([type=radio])")) { target.focus(); return; }
    if (target.matches("input")) target.focus();
    target.click();
  });

  // ---- A filter for many labels.

  const setUpFilter = (within) => {
    const filter = $("[data-filter]", within);
    if (!filter) return;
    filter.closest(".field").hidden = false;
    const choices = () => all(".choice", filter.closest("form"));
    const wanted = () => filter.value.trim().toLowerCase();
    const fits = (c) => c.textContent.toLowerCase().includes(wanted());
    const narrow = () => {
      let left = 0;
      for (const c of choices()) {
        c.hidden = !fits(c) && !$("input", c).checked; // what is chosen stays in sight
        if (!c.hidden) left++;
      }
      $("[data-filter-count]", within).textContent = wanted() ? left + " shown" : "";
    };
    filter.addEventListener("input", narrow);
    filter.addEventListener("keydown", (e) => {
      if (e.key !== "Enter" && e.key !== "ArrowDown") return;
      e.preventDefault(); // the first match is chosen; Enter again submits
      const first = choices().find(fits);
      if (first) { $("input", first).click(); $("input", first).focus(); }
    });
  };

  // ---- What was typed survives a reload and a lost session, in this tab, until it is answered.

  const setUpDraft = (within) => {
    for (const el of all("[data-answered]", within)) sessionStorage.removeItem("draft:" + el.dataset.answered);
    const form = $("form[data-draft]", within);
    if (!form) return;
    const key = "draft:" + form.dataset.draft;
    const fields = ["label", "value", "confidence", "reason", "note"];
    const saved = sessionStorage.getItem(key);
    if (saved && !form.hasAttribute("data-filled")) {
      const draft = JSON.parse(saved);
      for (const name of fields) {
        const el = form.elements[name];
        if (el && draft[name] !== undefined) el.value = draft[name];
      }
      if (Object.values(draft).some(Boolean)) say("Your answer was kept, and is filled in again.");
    }
    form.addEventListener("input", () => {
      const draft = {};
      for (const name of fields) if (form.elements[name]) draft[name] = form.elements[name].value;
      sessionStorage.setItem(key, JSON.stringify(draft));
    });
  };

  // ---- Countdowns, one clock for all. Numbers that change are hidden from screen readers; what matters is said once.

  const clock = (seconds) => {
    const s = Math.max(0, Math.floor(seconds));
    const two = (n) => String(n).padStart(2, "0");
    return s >= 3600 ? Math.floor(s / 3600) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60) : Math.floor(s / 60) + ":" + two(s % 60);
  };
  const ends = new WeakMap(); // element to the moment, by this machine's clock, at which it is zero
  const setUpCountdowns = (within) => {
    for (const el of all("[data-left]", within)) ends.set(el, Date.now() + Number(el.dataset.left) * 1000);
  };
  const leftOf = (el) => (ends.get(el) - Date.now()) / 1000;

  const countDown = () => {
    for (const el of all("[data-left]")) {
      if (!ends.has(el)) continue;
      const text = clock(leftOf(el));
      if (el.textContent !== text) el.textContent = text;
      if (leftOf(el) <= 0 && el.dataset.ends) {
        const place = document.getElementById(el.dataset.ends);
        delete el.dataset.ends;
        if (place) closeWindow(place);
      }
    }
  };

  // closeWindow: a verdict is final, and what would change it is off.
  const closeWindow = (place) => {
    const focused = place.contains(document.activeElement);
    for (const el of all("[data-while]", place.closest(".answer") || place)) { if (el.matches("fieldset")) el.disabled = true; else el.hidden = true; }
    for (const el of all("[data-after]", place)) el.hidden = false;
    if (focused && document.activeElement === document.body) ($("[data-enter]", place) || place).focus();
    say("The answer is final.");
  };

  // ---- The lease of the item that is open. It is renewed while somebody is there: the page is visible, and was used a moment ago.

  const active = 5 * 60; // s
  const warning = 60; // s
  let lease = null;
  let lastUse = Date.now();
  for (const type of ["keydown", "pointerdown", "pointermove", "scroll", "input"]) {
    document.addEventListener(type, () => { lastUse = Date.now(); }, { passive: true, capture: true });
  }

  const setUpLease = () => {
    const el = $("[data-lease]");
    if (lease && lease.el === el) return;
    lease = el ? { el, total: Number(el.dataset.left), busy: false, retry: 0, warned: false, lost: false } : null;
  };

  const watchLease = () => {
    if (!lease || lease.lost || lease.busy || !lease.el.isConnected) return;
    const left = leftOf(lease.el);
    const there = !document.hidden && Date.now() - lastUse < active * 1000;
    if (left <= 0 || (there && left < lease.total * 2 / 3)) {
      if (Date.now() >= lease.retry) renew(lease);
    } else if (!there && left < Math.min(warning, lease.total / 2) && !lease.warned) {
      lease.warned = true;
      showAlert("warn", "Your hold on this item is about to end.", "Move the pointer or press a key, and it is kept.");
    }
  };

  const renew = async (l) => {
    l.busy = true;
    try {
      const r = await fetch(l.el.dataset.lease, {
        method: "POST", headers: { "X-Candor-CSRF": token() }, redirect: "manual",
        body: new URLSearchParams({ csrf: token(), epoch: l.el.dataset.epoch }),
      });
      if (l !== lease) return;
      if (r.ok) {
        const left = Number(r.headers.get("Candor-Lease-Left"));
        ends.set(l.el, Date.now() + left * 1000);
        l.total = Math.max(l.total, left);
        if (l.warned || l.retry) clearAlert();
        l.warned = false; l.retry = 0;
      } else if (r.status === 409 || r.status === 404) {
        lose(l, await r.text());
      } else if (r.type === "opaqueredirect" || r.status === 401 || r.status === 403) {
        l.retry = Date.now() + 15000;
        showAlert("warn", "You are logged out.", "Log in again in another tab. What you have entered stays here.");
      } else {
        throw new Error(r.status);
      }
    } catch {
      l.retry = Date.now() + 5000;
      showAlert("warn", "The gateway does not answer.", "Your answer stays here. The page goes on trying.");
    } finally {
      l.busy = false;
    }
  };

  const lose = (l, text) => {
    l.lost = true;
    clearAlert();
    for (const el of all("[data-holder]")) { if (el.matches("fieldset")) el.disabled = true; else el.hidden = true; }
    const place = $("#lost"), template = $("#lost-template");
    if (!place || !template) return;
    place.replaceChildren(template.content.cloneNode(true));
    const detail = $("[data-detail]", place);
    if (detail && text) detail.textContent = text;
    if (window.htmx) htmx.process(place);
    const again = $("[data-again]", place);
    // Fields of a disabled set are not sent, and the answer is to come along.
    again.addEventListener("click", () => { for (const el of all("fieldset[data-holder]")) el.disabled = false; });
    again.focus();
  };

  // ---- Live parts. A change is put into the cells that have it: focus, selection and scroll stay where they are.

  let stale = false;
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && stale) { stale = false; for (const el of all("[data-live]")) htmx.trigger(el, "sse:moved"); }
  });

  document.addEventListener("htmx:beforeRequest", (e) => {
    if (document.hidden && e.target.matches("[data-live]")) { stale = true; e.preventDefault(); }
  });

  document.addEventListener("htmx:beforeSwap", (e) => {
    const old = e.detail.target;
    if (!old.matches("[data-live]")) return;
    if (e.detail.xhr.status !== 200) { e.detail.shouldSwap = false; return; }
    const fresh = new DOMParser().parseFromString(e.detail.serverResponse, "text/html").getElementById(old.id);
    if (!fresh) { e.detail.shouldSwap = false; return; }
    const cells = (within) => all("[data-cell]", within).map((c) => c.id).join("\n");
    const announced = $("[data-announce]", fresh), before = $("[data-announce]", old);
    if (announced && before && announced.textContent !== before.textContent) say(announced.textContent.trim());
    if (cells(old) !== cells(fresh)) return; // a row came or went
    e.detail.shouldSwap = false;
    for (const cell of all("[data-cell]", fresh)) {
      const now = document.getElementById(cell.id);
      if (now.className !== cell.className) now.className = cell.className;
      if (now.innerHTML !== cell.innerHTML && !now.contains(document.activeElement)) {
        now.replaceChildren(...cell.childNodes);
        htmx.process(now);
      }
    }
  });

  document.addEventListener("htmx:sendError", (e) => {
    if (!e.target.matches("[data-live]")) showAlert("bad", "The gateway does not answer.", "Nothing was sent, and what you have entered stays here. Try again.");
  });
  document.addEventListener("htmx:responseError", (e) => {
    if (e.detail.xhr.status === 401) showAlert("bad", "You are logged out.", "Log in again in another tab, then send this once more. What you have entered stays here.");
  });
  document.addEventListener("htmx:afterSettle", (e) => {
    if (e.target.id === "main" || e.target.closest("#main") === null) { clearAlert(); start(document); }
  });

  const start = (within) => {
    lastChange = performance.now();
    setUpCountdowns(within);
    setUpFilter(within);
    setUpDraft(within);
    setUpLease();
  };

  rememberZone();
  setUpSettings();
  start(document);
  setInterval(() => { countDown(); watchLease(); }, 500);
})();
