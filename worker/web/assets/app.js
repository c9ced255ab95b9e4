// Pages are rendered on the server. This refreshes the parts marked data-live and helps to select rows.

// The path under which we are served: empty, or /some/path.
const ROOT = document.documentElement.dataset.rootPath;
const LEAST_PAUSE = 1500;
const SLOWLY = 15000;

// ---- fresh parts

const parser = new DOMParser();
let last = Date.now();
let loading = false;
let source = null;

function isBusy(region) {
  const focused = document.activeElement;
  const typing = region.contains(focused) && focused.matches("input:not([type=checkbox]), select, textarea");
  const selection = getSelection();
  if (selection && !selection.isCollapsed && selection.containsNode(region, true)) return true;
  return typing || region.querySelector("input[type=checkbox]:checked") !== null;
}

function addressOf(element, region) {
  if (!element || element === region || !region.contains(element)) return null;
  const path = [];
  for (let at = element; at !== region; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at));
  return path;
}

function replace(region, fresh) {
  if (region.innerHTML === fresh.innerHTML || isBusy(region)) return;
  const open = [...region.querySelectorAll("details[open]")].map((each) => each.id);
  const scrolled = [...region.querySelectorAll(".scroll, pre")].map((each) => [each.scrollLeft, each.scrollTop]);
  const focused = addressOf(document.activeElement, region);
  region.innerHTML = fresh.innerHTML;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  region.querySelectorAll(".scroll, pre").forEach((each, place) => each.scrollTo(...(scrolled[place] ?? [0, 0])));
  focused?.reduce((at, place) => at?.children[place], region)?.focus({ preventScroll: true });
  prepare(region);
}

async function refresh() {
  if (loading || document.hidden || !document.querySelector("[data-live]")) return;
  loading = true;
  try {
    const response = await fetch(location.href, { redirect: "manual" });
    if (response.type === "opaqueredirect" || response.status === 401) return location.reload();
    if (!response.ok) return showConnection(false);
    const fresh = parser.parseFromString(await response.text(), "text/html");
    for (const region of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(region.id);
      if (other) replace(region, other);
    }
    showConnection(true);
  } catch {
    showConnection(false);
  } finally {
    last = Date.now();
    loading = false;
  }
}

function showConnection(works) {
  for (const each of document.querySelectorAll("[data-connection]")) each.hidden = works;
}

// Browsers allow six connections to a host: a hidden page releases its own.
function connect() {
  if (document.hidden) {
    source?.close();
    source = null;
  } else if (!source && document.querySelector("main [data-live]")) {
    source = new EventSource(`${ROOT}/live`);
    source.addEventListener("change", () => setTimeout(refresh, Math.max(0, last + LEAST_PAUSE - Date.now())));
    source.onerror = () => showConnection(false);
    source.onopen = () => showConnection(true);
    if (Date.now() - last > LEAST_PAUSE) refresh();
  }
}

document.addEventListener("visibilitychange", connect);
addEventListener("pagehide", () => source?.close());
setInterval(() => Date.now() - last > SLOWLY && refresh(), 1000);

// ---- choosing rows

function boxesOf(form) {
  return [...form.querySelectorAll("td.pick input")];
}

function showChoice(form) {
  const boxes = boxesOf(form);
  const chosen = boxes.filter((box) => box.checked).length;
  const all = form.querySelector("[data-all]");
  const words = form.querySelector("[data-chosen]");
  if (all) {
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  }
  if (words) {
    words.dataset.words ??= words.textContent;
    words.textContent = chosen ? `${chosen} chosen` : words.dataset.words;
  }
  for (const button of form.querySelectorAll("[data-needs-choice]")) button.disabled = chosen === 0;
}

function prepare(root) {
  for (const form of root.querySelectorAll("form.list")) if (form.querySelector("[data-all]")) showChoice(form);
}

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form.list");
  if (!form) return;
  if (event.target.matches("[data-all]")) for (const box of boxesOf(form)) box.checked = event.target.checked;
  showChoice(form);
});

// ---- menu, theme, keyboard

document.querySelector(".menu")?.addEventListener("click", (event) => {
  const open = document.getElementById("nav").classList.toggle("open");
  event.target.setAttribute("aria-expanded", String(open));
});

document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme}; path=${ROOT || "/"}; max-age=31536000; samesite=lax`;
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) return;
  event.preventDefault();
  const search = document.getElementById("text");
  if (search) search.focus();
  else location.assign(`${ROOT}/projects#text`);
});

if (location.hash === "#text") document.getElementById("text")?.focus();
prepare(document);
connect();
