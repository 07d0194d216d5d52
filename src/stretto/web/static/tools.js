// Tools of a page: copy a table as Markdown, save a drawing as PNG, and go anywhere by Ctrl-K.
// Without this script the same links lead to files, and to the pages themselves.
"use strict";
(() => {
  const DONE = 1500; // ms for which a tool says that it is done
  const WAIT = 150; // ms without a key before sessions are looked for

  // Taking along.

  const confirmDone = (element, text) => {
    const before = element.textContent;
    element.textContent = text;
    element.classList.add("done");
    setTimeout(() => {
      element.textContent = before;
      element.classList.remove("done");
    }, DONE);
  };

  const copyMarkdown = async (link) => {
    const answer = await fetch(link.href);
    await navigator.clipboard.writeText(await answer.text());
    confirmDone(link, "Markdown: copied");
  };

  const savePicture = async (button) => {
    const image = new Image();
    image.src = button.dataset.source;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * image.naturalWidth;
    canvas.height = 2 * image.naturalHeight;
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const picture = await new Promise((done) => canvas.toBlob(done, "image/png"));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(picture);
    link.download = `${document.title}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
    confirmDone(button, "PNG: saved");
  };

  document.addEventListener("click", (event) => {
    const tool = event.target.closest?.("[data-form]");
    if (!tool || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    if (tool.dataset.form === "png") savePicture(tool).catch(() => confirmDone(tool, "PNG: not possible here"));
    if (tool.dataset.form !== "md" || !navigator.clipboard) return;
    event.preventDefault();
    copyMarkdown(tool).catch(() => location.assign(tool.href));
  });

  // The palette: the pages at once, and sessions by their words.

  const palette = document.createElement("dialog");
  palette.className = "palette";
  palette.setAttribute("aria-label", "Go to");
  const field = Object.assign(document.createElement("input"), { type: "search", placeholder: "Go to a page or a session" });
  field.setAttribute("aria-label", "Page, or words of a session");
  const list = document.createElement("ul");
  palette.append(field, list);
  document.body.append(palette);

  const listPages = (words) =>
    [...document.querySelectorAll("nav.views a, footer a")]
      .map((link) => ({ text: link.textContent, href: link.getAttribute("href") }))
      .filter((page) => page.text.toLowerCase().includes(words.toLowerCase()));

  const showChoices = (choices) =>
    list.replaceChildren(
      ...choices.map(({ text, href }) => {
        const item = document.createElement("li");
        item.append(Object.assign(document.createElement("a"), { href, textContent: text }));
        return item;
      }),
    );

  let timer = null;
  const findChoices = () => {
    const words = field.value.trim();
    showChoices(listPages(words));
    clearTimeout(timer);
    if (!words) return;
    timer = setTimeout(async () => {
      const answer = await fetch(`/api/sessions?limit=8&q=${encodeURIComponent(words)}`);
      if (!answer.ok || words !== field.value.trim()) return;
      const { sessions } = await answer.json();
      showChoices([
        ...listPages(words),
        ...sessions.map((session) => ({ text: session.title, href: `/sessions/${encodeURIComponent(session.id)}` })),
        { text: `All sessions with “${words}”`, href: `/sessions?q=${encodeURIComponent(words)}` },
      ]);
    }, WAIT);
  };

  field.addEventListener("input", findChoices);
  palette.addEventListener("keydown", (event) => {
    const links = [...list.querySelectorAll("a")];
    const place = links.indexOf(document.activeElement);
    if (event.key === "Enter" && place < 0 && links.length) links[0].click();
    else if (event.key === "ArrowDown") (links[place + 1] ?? links[0])?.focus();
    else if (event.key === "ArrowUp") (links[place - 1] ?? field).focus();
    else return;
    event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (palette.open) return;
    field.value = "";
    findChoices();
    palette.showModal();
  });
})();
