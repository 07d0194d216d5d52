// Updates an open page: it replaces the parts that changed, keeps relative times current, and moves through the
// timeline by key. Without this script a page still shows everything and reloads itself.
"use strict";
(() => {
  const GAP = 700; // ms between two reloads: a busy agent causes many changes a second
  const body = document.body;
  document.documentElement.classList.add("script");

  // Patching: the new page is merged into the old page node by node, so that focus, scroll position, open
  // details and popovers stay. Elements with the same id are matched at any place among their siblings.

  const isSameNode = (a, b) => a && a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  const patchNode = (old, now) => {
    if (old.isEqualNode(now)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== now.data) old.data = now.data;
      return;
    }
    for (const { name, value } of [...now.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      const kept = name === "open" && old.nodeName === "DETAILS";
      if (!kept && !now.hasAttribute(name) && !name.startsWith("data-own-")) old.removeAttribute(name);
    }
    const byId = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
    let at = old.firstChild;
    for (const child of [...now.childNodes]) {
      const found = (child.id && byId.get(child.id)) || (isSameNode(at, child) ? at : null);
      if (found && isSameNode(found, child)) {
        if (found === at) at = at.nextSibling;
        else old.insertBefore(found, at);
        patchNode(found, child);
      } else {
        old.insertBefore(document.importNode(child, true), at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
  };

  const replacePage = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    document.title = page.title;
    for (const part of ["header.top", "main", "footer"]) {
      const old = document.querySelector(part);
      const now = page.querySelector(part);
      if (old && now) patchNode(old, now);
    }
    showStatus();
  };

  let busy = false;
  let again = false;
  let last = 0;

  const reloadPage = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    const wait = last + GAP - performance.now();
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    again = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) replacePage(await answer.text());
    } catch {
      // The service does not answer; the stream reports this and reconnects by itself.
    }
    last = performance.now();
    busy = false;
    if (again) reloadPage();
  };

  // Live: an event stream triggers reloads. A hidden page closes it, because a browser has few connections.

  let stream = null;
  let timer = null;
  let status = "";

  const showStatus = (text = status) => {
    status = text;
    const place = document.getElementById("live");
    if (!place) return;
    place.textContent = text || place.dataset.renews;
    place.classList.toggle("on", text === "live");
  };

  const affectsPage = (change) => {
    const main = document.getElementById("content");
    const id = main.dataset.session;
    if (id !== undefined) return change.sessions === null || change.sessions.includes(id);
    return change.notifications || change.sessions === null || (change.snapshot !== null && change.snapshot !== main.dataset.at);
  };

  const startPolling = () => {
    showStatus("");
    timer ??= setInterval(reloadPage, 1000 * Number(body.dataset.seconds));
  };

  const openStream = () => {
    if (stream || !body.dataset.events || document.hidden) return;
    stream = new EventSource(body.dataset.events);
    let first = true;
    stream.addEventListener("open", () => {
      clearInterval(timer);
      timer = null;
      showStatus("live");
    });
    stream.addEventListener("change", (event) => {
      const change = JSON.parse(event.data);
      // The first event after a gap: changes may have been missed, so compare with the newest snapshot.
      const missed = first && change.snapshot !== null && change.snapshot !== document.getElementById("content").dataset.at;
      first = false;
      if (missed || affectsPage(change)) reloadPage();
    });
    stream.addEventListener("error", () => {
      first = true;
      if (stream.readyState === EventSource.CLOSED) {
        stream = null;
        startPolling();
      } else {
        showStatus("reconnecting");
      }
    });
  };

  const closeStream = () => {
    stream?.close();
    stream = null;
    clearInterval(timer);
    timer = null;
  };

  document.addEventListener("visibilitychange", () => {
    if (!body.dataset.events) return;
    if (document.hidden) closeStream();
    else openStream();
  });
  addEventListener("pagehide", closeStream);
  addEventListener("pageshow", openStream);
  openStream();

  // Relative times such as "3 s ago" are updated every second.

  const formatAge = (past) => {
    if (past < 1) return "just now";
    for (const [unit, word, most] of [[1, "s", 60], [60, "min", 3600], [3600, "h", 172800]]) {
      if (past < most) return `${Math.floor(past / unit)}\u00a0${word} ago`;
    }
    return `${Math.floor(past / 86400)}\u00a0days ago`;
  };

  // The service's clock may differ from the browser's: the page carries the service's time.
  let serverTime = 0;
  let receivedAt = 0;
  setInterval(() => {
    if (!body.dataset.events || document.hidden) return;
    const now = Date.parse(document.getElementById("content").dataset.now);
    if (now !== serverTime) [serverTime, receivedAt] = [now, performance.now()];
    for (const time of document.querySelectorAll("main time, header time")) {
      const text = formatAge((serverTime + performance.now() - receivedAt - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  }, 1000);

  // Links to another view of this page are followed without leaving it.

  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("nav.zoom a, nav.windows a, nav.pages a, p.after a");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const to = new URL(link.href);
    if (to.origin !== location.origin || to.pathname !== location.pathname) return;
    event.preventDefault();
    const focused = document.activeElement === link && link.dataset.key;
    history.pushState(null, "", to);
    await reloadPage();
    if (focused) document.querySelector(`nav.zoom a[data-key="${CSS.escape(focused)}"]`)?.focus();
    else if (to.hash) document.querySelector(to.hash)?.scrollIntoView({ block: "nearest" });
  });
  addEventListener("popstate", reloadPage);

  // The timeline: the bar under the pointer, or reached by arrow keys, shows its description.

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  body.append(tip);

  const showTip = (bar) => {
    const text = bar?.querySelector("title")?.textContent;
    tip.hidden = !text;
    if (!text) return;
    const [first, ...rest] = text.split("\n").filter(Boolean);
    const head = document.createElement("b");
    head.textContent = first;
    tip.replaceChildren(head, ...rest.map((line) => Object.assign(document.createElement("span"), { textContent: line })));
    const box = bar.getBoundingClientRect();
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(box.left, room)) + scrollX}px`;
    const below = box.bottom + 8 + tip.offsetHeight < innerHeight;
    tip.style.top = `${(below ? box.bottom + 8 : box.top - tip.offsetHeight - 8) + scrollY}px`;
  };

  const shapes = ".timeline .bar, .timeline .bracket, .timeline .wall svg, .columns g, .columns a";
  let hovered = null;
  document.addEventListener("pointerover", (event) => {
    const bar = event.target.closest?.(shapes);
    if (bar === hovered) return;
    hovered = bar;
    if (bar) showTip(bar);
    else showTip(document.activeElement?.closest?.(shapes));
  });
  document.addEventListener("focusin", (event) => showTip(event.target.closest?.(shapes)));
  document.addEventListener("focusout", () => showTip(null));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
  });

  const findMiddle = (bar) => {
    const box = bar.getBoundingClientRect();
    return box.left + box.width / 2;
  };

  document.addEventListener("keydown", (event) => {
    const drawing = event.target.closest?.(".timeline .lanes");
    if (!drawing || event.metaKey || event.ctrlKey || event.altKey) return;
    const link = [...document.querySelectorAll("nav.zoom a")].find((candidate) => candidate.dataset.key === event.key);
    if (link) {
      event.preventDefault();
      link.click();
      drawing.focus();
      return;
    }
    const lanes = [...drawing.querySelectorAll(".lane")]
      .map((lane) => [...lane.querySelectorAll(".bar:not(.call)")])
      .filter((bars) => bars.length);
    if (!lanes.length) return;
    const bar = event.target.closest(".bar");
    const row = lanes.findIndex((bars) => bars.includes(bar));
    const findNearest = (bars) => bars.reduce((a, b) => (Math.abs(findMiddle(b) - findMiddle(bar)) < Math.abs(findMiddle(a) - findMiddle(bar)) ? b : a));
    let to = null;
    if (row < 0) to = ["ArrowRight", "ArrowDown", "Home"].includes(event.key) ? lanes[0][0] : null;
    else if (event.key === "ArrowRight") to = lanes[row][lanes[row].indexOf(bar) + 1] ?? lanes[row + 1]?.[0];
    else if (event.key === "ArrowLeft") to = lanes[row][lanes[row].indexOf(bar) - 1] ?? lanes[row - 1]?.at(-1);
    else if (event.key === "ArrowDown" && lanes[row + 1]) to = findNearest(lanes[row + 1]);
    else if (event.key === "ArrowUp" && lanes[row - 1]) to = findNearest(lanes[row - 1]);
    else if (event.key === "Home") to = lanes[row][0];
    else if (event.key === "End") to = lanes[row].at(-1);
    if (to) {
      event.preventDefault();
      to.focus();
    } else if (event.key.startsWith("Arrow")) {
      event.preventDefault();
    }
  });
})();
