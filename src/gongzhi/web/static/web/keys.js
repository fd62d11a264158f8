// Keyboard: / search (Escape leaves it), j k move, Enter open (as links do), a actions, ? help.
function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent);
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(at + step, 0), rows.length - 1)].focus();
}

const RUN = {
  "/": () => document.querySelector("#q")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  a: () => document.querySelector("[data-action]")?.focus(),
  "?": () => document.querySelector("#help")?.showModal(),
};

export function begin() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target.matches("#q")) { event.target.blur(); return; }
    if (event.target.closest("input, textarea, select, dialog, [contenteditable]")) return;
    const run = RUN[event.key];
    if (!run || !document.body.classList.contains("console")) return;
    event.preventDefault();
    run();
  });
}
