// What a page does beyond showing itself: it takes over what has changed, keeps its times true, and lets the
// timeline be walked. Without it every page still shows everything and asks for itself again.
"use strict";
(() => {
  const GAP = 700; // ms between two renewals: a busy agent changes something many times a second
  const body = document.body;
  document.documentElement.classList.add("script");

  // Taking over: the new page is laid over the old one, node by node, so that focus, scroll, open details
  // and popovers stay. Elements with an id are the same element wherever they stand among their siblings.

  const alike = (a, b) => a && a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  const takeOver = (old, now) => {
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
    const named = new Map([...old.children].filter((one) => one.id).map((one) => [one.id, one]));
    let at = old.firstChild;
    for (const child of [...now.childNodes]) {
      const found = (child.id && named.get(child.id)) || (alike(at, child) ? at : null);
      if (found && alike(found, child)) {
        if (found === at) at = at.nextSibling;
        else old.insertBefore(found, at);
        takeOver(found, child);
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

  const show = (text) => {
    const page = new DOMParser().parseFromString(text, "text/html");
    document.title = page.title;
    for (const part of ["header.top", "main", "footer"]) {
      const old = document.querySelector(part);
      const now = page.querySelector(part);
      if (old && now) takeOver(old, now);
    }
    sayLive();
  };

  let busy = false;
  let again = false;
  let last = 0;

  const renew = async () => {
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
      if (answer.ok) show(await answer.text());
    } catch {
      // The service is away: the stream says so, and opens again by itself.
    }
    last = performance.now();
    busy = false;
    if (again) renew();
  };

  // Live: a stream tells when to renew. It is let go while nobody looks: a browser has few connections.

  let stream = null;
  let timer = null;
  let said = "";

  const sayLive = (text = said) => {
    said = text;
    const place = document.getElementById("live");
    if (!place) return;
    place.textContent = text || place.dataset.renews;
    place.classList.toggle("on", text === "live");
  };

  const concerns = (change) => {
    const main = document.getElementById("content");
    const id = main.dataset.session;
    if (id !== undefined) return change.sessions === null || change.sessions.includes(id);
    return change.notifications || change.sessions === null || (change.snapshot !== null && change.snapshot !== main.dataset.at);
  };

  const fallBack = () => {
    sayLive("");
    timer ??= setInterval(renew, 1000 * Number(body.dataset.seconds));
  };

  const listen = () => {
    if (stream || !body.dataset.events || document.hidden) return;
    stream = new EventSource(body.dataset.events);
    let first = true;
    stream.addEventListener("open", () => {
      clearInterval(timer);
      timer = null;
      sayLive("live");
    });
    stream.addEventListener("change", (event) => {
      const change = JSON.parse(event.data);
      // The first word after a silence: whatever was missed, the page is compared with the newest figures.
      const missed = first && change.snapshot !== null && change.snapshot !== document.getElementById("content").dataset.at;
      first = false;
      if (missed || concerns(change)) renew();
    });
    stream.addEventListener("error", () => {
      first = true;
      if (stream.readyState === EventSource.CLOSED) {
        stream = null;
        fallBack();
      } else {
        sayLive("reconnecting");
      }
    });
  };

  const hush = () => {
    stream?.close();
    stream = null;
    clearInterval(timer);
    timer = null;
  };

  document.addEventListener("visibilitychange", () => {
    if (!body.dataset.events) return;
    if (document.hidden) hush();
    else listen();
  });
  addEventListener("pagehide", hush);
  addEventListener("pageshow", listen);
  listen();

  // Times: "3 s ago" goes on.

  const ago = (past) => {
    if (past < 1) return "just now";
    for (const [unit, word, most] of [[1, "s", 60], [60, "min", 3600], [3600, "h", 172800]]) {
      if (past < most) return `${Math.floor(past / unit)}\u00a0${word} ago`;
    }
    return `${Math.floor(past / 86400)}\u00a0days ago`;
  };

  // The service's clock need not be this browser's: the page says what time it was there when it was made.
  let made = 0;
  let came = 0;
  setInterval(() => {
    if (!body.dataset.events || document.hidden) return;
    const now = Date.parse(document.getElementById("content").dataset.now);
    if (now !== made) [made, came] = [now, performance.now()];
    for (const time of document.querySelectorAll("main time, header time")) {
      const text = ago((made + performance.now() - came - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  }, 1000);

  // Links that change only what is drawn of this page are followed in place.

  document.addEventListener("click", async (event) => {
    const link = event.target.closest?.("nav.zoom a, nav.windows a, nav.pages a, p.after a");
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const to = new URL(link.href);
    if (to.origin !== location.origin || to.pathname !== location.pathname) return;
    event.preventDefault();
    const focused = document.activeElement === link && link.dataset.key;
    history.pushState(null, "", to);
    await renew();
    if (focused) document.querySelector(`nav.zoom a[data-key="${CSS.escape(focused)}"]`)?.focus();
    else if (to.hash) document.querySelector(to.hash)?.scrollIntoView({ block: "nearest" });
  });
  addEventListener("popstate", renew);

  // The timeline: what is pointed at, or walked to by the arrow keys, explains itself beside it.

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  body.append(tip);

  const explain = (bar) => {
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

  const shapes = ".timeline .bar, .timeline .bracket, .timeline .wall svg, .columns g";
  let hovered = null;
  document.addEventListener("pointerover", (event) => {
    const bar = event.target.closest?.(shapes);
    if (bar === hovered) return;
    hovered = bar;
    if (bar) explain(bar);
    else explain(document.activeElement?.closest?.(shapes));
  });
  document.addEventListener("focusin", (event) => explain(event.target.closest?.(shapes)));
  document.addEventListener("focusout", () => explain(null));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
  });

  const middle = (bar) => {
    const box = bar.getBoundingClientRect();
    return box.left + box.width / 2;
  };

  document.addEventListener("keydown", (event) => {
    const drawing = event.target.closest?.(".timeline .lanes");
    if (!drawing || event.metaKey || event.ctrlKey || event.altKey) return;
    const link = [...document.querySelectorAll("nav.zoom a")].find((one) => one.dataset.key === event.key);
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
    const nearest = (bars) => bars.reduce((a, b) => (Math.abs(middle(b) - middle(bar)) < Math.abs(middle(a) - middle(bar)) ? b : a));
    let to = null;
    if (row < 0) to = ["ArrowRight", "ArrowDown", "Home"].includes(event.key) ? lanes[0][0] : null;
    else if (event.key === "ArrowRight") to = lanes[row][lanes[row].indexOf(bar) + 1] ?? lanes[row + 1]?.[0];
    else if (event.key === "ArrowLeft") to = lanes[row][lanes[row].indexOf(bar) - 1] ?? lanes[row - 1]?.at(-1);
    else if (event.key === "ArrowDown" && lanes[row + 1]) to = nearest(lanes[row + 1]);
    else if (event.key === "ArrowUp" && lanes[row - 1]) to = nearest(lanes[row - 1]);
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
