// Lists: what is ticked, and addresses without empty conditions.
function picking(form) {
  const all = form.querySelector("[data-pick-all]");
  const boxes = [...form.querySelectorAll("input[name=number]")];
  const bar = form.querySelector("[data-bulk-bar]");
  if (!bar) return;
  function draw() {
    const picked = boxes.filter((box) => box.checked).length;
    bar.hidden = picked === 0;
    bar.querySelector("[data-picked]").textContent = picked;
    all.checked = picked === boxes.length;
    all.indeterminate = picked > 0 && picked < boxes.length;
  }
  all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; draw(); });
  for (const box of boxes) box.addEventListener("change", draw);
  draw();
}

// An empty field says nothing, and an address is read more easily without it.
function short(form) {
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
  });
  window.addEventListener("pageshow", () => { for (const field of form.elements) field.disabled = false; });
}

// On a phone the filters of a narrowed list would push the list itself off the screen.
function folded(filters) {
  if (window.matchMedia("(max-width: 767.98px)").matches) filters.open = false;
}

// Columns travel as one value.
function columns(form) {
  form.addEventListener("submit", () => {
    const boxes = [...form.querySelectorAll("input[name=cols]")];
    const chosen = boxes.filter((box) => box.checked).map((box) => box.value).join(",");
    for (const box of boxes) box.disabled = true;
    const one = Object.assign(document.createElement("input"), { type: "hidden", name: "cols", value: chosen });
    form.append(one);
  });
}

export function begin(each, root) {
  each(root, "[data-bulk]", picking);
  each(root, "[data-filters]", short);
  each(root, "details.filters", folded);
  each(root, "[data-columns]", columns);
  each(root, "[data-print]", (button) => button.addEventListener("click", () => window.print()));
}
