// The page works without any of this; what is here keeps what was typed, saves a reload, and draws maps.
import { begin as drafts, clearAll } from "gz/drafts";
import { begin as keys } from "gz/keys";
import { begin as lists } from "gz/lists";
import { begin as safe } from "gz/safe";
import { word } from "gz/words";

const { htmx } = window;

function each(root, selector, run) {
  for (const element of root.querySelectorAll(selector)) {
    if (element.dataset.begun) continue;
    element.dataset.begun = "1";
    run(element);
  }
}

// A township's villages, so that a place can be named more precisely.
function finerPlace(picker) {
  const select = picker.querySelector("select");
  const finer = picker.querySelector("[data-finer]");
  select.addEventListener("change", async () => {
    finer.replaceChildren();
    if (!select.value) return;
    try {
      const answer = await fetch(`/places/below?place=${encodeURIComponent(select.value)}`);
      if (answer.ok) finer.innerHTML = await answer.text();
    } catch {
      // Without the network the township alone is good enough.
    }
    const inner = finer.querySelector("select");
    if (inner) inner.name = select.name;
  });
}

// On a phone, one group of questions a screen.
function stepped(form) {
  const groups = [...form.querySelectorAll("fieldset.group")];
  const narrow = window.matchMedia("(max-width: 575.98px)");
  const [back, next] = [form.querySelector("[data-back]"), form.querySelector("[data-next]")];
  const submit = form.querySelector("[type=submit]");
  const say = form.querySelector("[data-step-say]");
  let at = Math.max(0, groups.findIndex((group) => group.querySelector("[aria-invalid=true]")));
  function draw() {
    const on = narrow.matches && groups.length > 1;
    groups.forEach((group, index) => { group.hidden = on && index !== at; });
    back.hidden = !on || at === 0;
    next.hidden = !on || at === groups.length - 1;
    submit.hidden = on && at < groups.length - 1;
    say.textContent = on ? word("step", { at: at + 1, all: groups.length }) : "";
    form.dispatchEvent(new CustomEvent("gz-shown", { bubbles: true }));
  }
  next.addEventListener("click", () => {
    const wrong = [...groups[at].querySelectorAll("input, textarea, select")].find((field) => !field.checkValidity());
    if (wrong) { wrong.reportValidity(); return; }
    at += 1;
    draw();
    groups[at].scrollIntoView({ block: "start" });
  });
  back.addEventListener("click", () => { at -= 1; draw(); });
  // What is wrong is listed above the form; its links lead to fields on other screens.
  document.querySelector("#now")?.addEventListener("click", (event) => {
    const field = document.querySelector(event.target.closest("a[href^='#f-']")?.hash || null);
    const wanted = groups.findIndex((group) => group.contains(field));
    if (wanted < 0) return;
    event.preventDefault();
    at = wanted;
    draw();
    field.focus();
  });
  narrow.addEventListener("change", draw);
  draw();
}

// The address of a QR code carries number and code behind the #, which no server sees.
function followLink(form) {
  const [number, code] = decodeURIComponent(location.hash.slice(1)).split(".");
  if (!number || !code) return;
  form.elements.number.value = number;
  form.elements.code.value = code;
  history.replaceState(null, "", location.pathname);
  form.requestSubmit();
}

// Who opens a form by its link goes on typing; on a phone the keyboard would hide what the form is about.
function toForm() {
  if (location.hash !== "#doing" || window.matchMedia("(max-width: 767.98px)").matches) return;
  const to = () => document.querySelector("#doing :is(textarea, select, input:not([type=hidden], [type=radio]))")?.focus();
  if (document.readyState === "complete") to();
  else window.addEventListener("load", () => requestAnimationFrame(to));  // the browser goes to the # first, and drops the focus
}

async function maps(root) {
  const found = root.querySelectorAll("[data-map]:not([data-begun])");
  if (!found.length) return;
  const { start } = await import("gz/map");
  for (const element of found) {
    element.dataset.begun = "1";
    start(element);
  }
}

// One stream for as long as someone is signed in here; it says only that there is something to ask for.
let stream = null;
let listens = "";

function live() {
  const address = document.body.dataset.live ?? "";
  // Another name of the same machine (127.0.0.1 for localhost) has no cookie there.
  const wanted = address && window.EventSource && new URL(address, location).hostname === location.hostname;
  const post = wanted ? document.body.dataset.post : "";
  if (post === listens) return;
  stream?.close();
  stream = null;
  listens = post;
  if (!wanted) return;
  stream = new EventSource(address, { withCredentials: true });
  stream.addEventListener("notice", () => htmx.trigger(document.body, "gz-notice"));
}

export function begin(root = document.body) {
  if (document.body.dataset.clearDrafts) clearAll();
  each(root, "[data-place]", finerPlace);
  each(root, "[data-steps]", stepped);
  each(root, "[data-follow]", followLink);
  lists(each, root);
  drafts(root);
  toForm();
  maps(root);
  live();
}

// A part that could not be fetched says so beside the thing that was pressed; what is refreshed unasked stays as it was.
function failed(event) {
  const pressed = event.detail.elt;
  if (pressed.matches("#bell")) return;
  let line = pressed.nextElementSibling;
  if (!line?.matches("[data-net]")) {
    line = Object.assign(document.createElement("p"), { className: "say wrong" });
    line.setAttribute("role", "alert");
    line.dataset.net = "1";
    pressed.after(line);
  }
  line.textContent = word("notFetched");
}

function fetched(event) {
  const line = event.detail.elt.nextElementSibling;
  if (event.detail.successful && line?.matches("[data-net]")) line.remove();
}

safe(begin);
keys();
begin();
for (const fault of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) document.addEventListener(fault, failed);
document.addEventListener("htmx:afterRequest", fetched);
document.addEventListener("htmx:afterSwap", (event) => begin(event.detail.target));
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.me[open], details.more[open], details.tool:not(.filters)[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
