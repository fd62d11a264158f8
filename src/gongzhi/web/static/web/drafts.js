// Long texts are kept on this device while they are written, and forgotten once they are sent, after twelve hours, or when
// the person signs out. Names and telephone numbers are never kept.
import { word } from "gz/words";

const PREFIX = "gz-draft:";
const HOURS = 12;

const name = (field) => `${PREFIX}${location.pathname}:${field.name}`;

function read(key) {
  try {
    const { text, at } = JSON.parse(localStorage.getItem(key) ?? "{}");
    if (text && Date.now() - at < HOURS * 3_600_000) return text;
    localStorage.removeItem(key);
  } catch {
    // A browser without storage simply keeps nothing.
  }
  return "";
}

function write(key, text) {
  try {
    if (text) localStorage.setItem(key, JSON.stringify({ text, at: Date.now() }));
    else localStorage.removeItem(key);
  } catch {
    // Full or forbidden: the text is still on the page.
  }
}

function restored(field, key) {
  const line = document.createElement("p");
  line.className = "kept";
  line.setAttribute("role", "status");
  line.append(word("restored"));
  const clear = document.createElement("button");
  clear.type = "button";
  clear.className = "btn btn-sm";
  clear.textContent = word("clear");
  clear.addEventListener("click", () => {
    field.value = "";
    write(key, "");
    line.remove();
    field.focus();
  });
  line.append(clear);
  field.after(line);
}

export function begin(root) {
  for (const field of root.querySelectorAll("[data-draft]:not([data-begun])")) {
    field.dataset.begun = "1";
    const key = name(field);
    const kept = read(key);
    if (kept && !field.value) {
      field.value = kept;
      restored(field, key);
    }
    field.addEventListener("input", () => write(key, field.value));
  }
}

export function forget(form) {
  for (const field of form.querySelectorAll("[data-draft]")) write(name(field), "");
}

export function clearAll() {
  try {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
  } catch {
    // Nothing was kept.
  }
}
