// Sending a form so that nothing is lost and nothing is done twice. The server is right without this: the key in the form
// makes a repeated act the same act, and the version in it tells a stale page.
import { forget } from "gz/drafts";
import { word } from "gz/words";

const TIMEOUT = 90_000;
const SHOWN = new Set([200, 409, 422, 429, 503]);

function say(form, text) {
  let line = form.querySelector("[data-net]");
  if (!line) {
    line = document.createElement("p");
    line.className = "say wrong";
    line.setAttribute("role", "alert");
    line.dataset.net = "1";
    form.append(line);
  }
  line.textContent = text;
  line.hidden = !text;
}

function busy(form, on) {
  form.dataset.busy = on ? "1" : "";
  for (const button of form.querySelectorAll("[type=submit]")) {
    if (on) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
  }
}

// An act was answered with the page that asks who one is: the session ended while the form was being filled.
function ended(form, answer) {
  return answer.redirected && form.elements.key && ["/signin", "/follow"].includes(new URL(answer.url).pathname);
}

function tellEnded(form, answer) {
  say(form, word("ended"));
  const link = document.createElement("a");
  link.href = new URL(answer.url).pathname;
  link.target = "_blank";
  link.rel = "noopener";
  link.textContent = word("open");
  form.querySelector("[data-net]").append(" ", link);
  form.dataset.stale = "1";
}

// Signing in changes the token that forms carry, so a form that outlived its session fetches the new one first.
async function renewed(form) {
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  const token = page.querySelector("[name=csrfmiddlewaretoken]");
  if (token) form.elements.csrfmiddlewaretoken.value = token.value;
  form.dataset.stale = "";
}

// The answer to a refused form is a new page, and its file fields are empty; what was chosen is put back.
function putBack(page, form) {
  for (const old of form.querySelectorAll("input[type=file]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh || !old.files.length) continue;
    fresh.files = old.files;
    const line = page.querySelector("#error-files[data-again]");
    if (!line) continue;
    line.remove();
    fresh.removeAttribute("aria-invalid");
    fresh.setAttribute("aria-describedby", "hint-files");
  }
}

function show(text, address, moved, begin, form) {
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!moved) putBack(page, form);
  if (moved) history.pushState({ gz: 1 }, "", address);
  document.title = page.title;
  document.body = page.body;
  window.htmx.process(document.body);
  begin(document.body);
  const now = document.querySelector("#now, [role=alert]");
  if (now) {
    now.focus();
    now.scrollIntoView({ block: "center" });
  } else {
    window.scrollTo(0, 0);
  }
}

async function send(form, submitter, begin) {
  busy(form, true);
  say(form, "");
  try {
    if (!navigator.onLine) throw new TypeError("offline");
    if (form.dataset.stale) await renewed(form);
    const body = new FormData(form, submitter);
    // A field may be called "action" and stand in the place of the form's own property: ask for the attribute.
    const answer = await fetch(form.getAttribute("action") || location.href, { method: "POST", body, signal: AbortSignal.timeout(TIMEOUT) });
    const text = await answer.text();
    if (ended(form, answer)) {
      tellEnded(form, answer);
      busy(form, false);
      return;
    }
    if (SHOWN.has(answer.status) || answer.redirected) {
      if (answer.redirected) forget(form);
      const hash = answer.redirected && text.includes('id="now"') ? "#now" : "";
      show(text, answer.redirected ? answer.url.split("#")[0] + hash : location.href, answer.redirected, begin, form);
      return;
    }
    const page = new DOMParser().parseFromString(text, "text/html");
    const sentence = page.querySelector("[data-sentence] p");
    if (answer.status === 403) form.dataset.stale = "1";
    say(form, sentence ? sentence.textContent : word("unsent"));
  } catch (error) {
    say(form, error.name === "TimeoutError" ? word("slow") : word("lost"));
  }
  busy(form, false);
}

export function begin(start) {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.getAttribute("method") !== "post" || form.hasAttribute("hx-post") || form.hasAttribute("data-reload") || event.defaultPrevented) return;
    event.preventDefault();
    if (form.dataset.busy) return;
    send(form, event.submitter, start);
  });
  window.addEventListener("popstate", (event) => {
    if (event.state?.gz || !location.hash) location.reload();
  });
}
