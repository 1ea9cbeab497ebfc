// The grid: filters change it without a reload, the address keeps them, clips play in view only.

import { base, listenForArrows, listenForCopies, listenForMarks } from "./common.js";

const filter = document.querySelector("#filter");
const cards = document.querySelector("#cards");
const motion = document.querySelector("#motion");
const WAIT = 120; // milliseconds after the last move of a slider or key

let asking = new AbortController();
let waiting = 0;

// ---- the filter as an address

function address() {
  const told = new URLSearchParams();
  for (const [name, value] of new FormData(filter)) {
    const field = filter.elements[name];
    if (field.type === "range") {
      const [end, span] = [name.endsWith("_from") ? field.min : field.max, field.max - field.min];
      if (Math.abs(value - end) > span / 2000) told.append(name, rounded(Number(value), name));
    } else if (value && !(name === "sort" && value === field.options[0].value)) {
      told.append(name, value);
    }
  }
  return told.size ? `?${told}` : "";
}

function rounded(value, name) {
  // Outwards, so that what a slider stands on is shown.
  const round = name.endsWith("_from") ? Math.floor : Math.ceil;
  return String(round(value * 1e5) / 1e5);
}

function describeRanges() {
  for (const range of document.querySelectorAll("[data-range]")) {
    const [from, to] = range.querySelectorAll("input");
    range.querySelector("output").value =
      `${Number(from.value).toFixed(4)} – ${Number(to.value).toFixed(4)}`;
    const span = Number(from.max) - Number(from.min) || 1;
    const share = (input) => (Number(input.value) - Number(from.min)) / span;
    range.style.setProperty("--from", share(from));
    range.style.setProperty("--to", share(to));
  }
}

// ---- showing what it leads to

async function show(there, keep) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  if (keep === "push") history.pushState(null, "", there || `${base}/`);
  if (keep === "replace") history.replaceState(null, "", there || `${base}/`);
  cards.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(`${base}/cards${there}`, { signal, headers: { Accept: "text/html" } });
    const html = await answer.text();
    if (signal.aborted) return;
    const page = new DOMParser().parseFromString(html, "text/html");
    cards.replaceChildren(...page.body.childNodes);
    watch();
  } catch (error) {
    if (error.name === "AbortError") return;
    cards.textContent = "`flawcast browse` has ended; start it again and reload this page.";
  }
  cards.removeAttribute("aria-busy");
  sessionStorage.setItem("grid", location.search);
}

filter.addEventListener("input", (event) => {
  if (!["range", "text"].includes(event.target.type)) return;
  if (event.target.type === "range") {
    const [from, to] = event.target.closest("[data-range]").querySelectorAll("input");
    if (Number(from.value) > Number(to.value)) event.target.value = event.target === from ? to.value : from.value;
    describeRanges();
  }
  clearTimeout(waiting);
  waiting = setTimeout(() => show(address(), "replace"), WAIT);
});

filter.addEventListener("change", (event) => {
  if (["range", "text"].includes(event.target.type)) return;
  clearTimeout(waiting);
  show(address(), "push");
});

filter.addEventListener("submit", (event) => {
  event.preventDefault();
  show(address(), "push");
});

cards.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-page]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const there = new URL(link.href).search;
  if (!there) return; // "show all" loads the page, the form included
  event.preventDefault();
  await show(there, "push");
  cards.focus({ preventScroll: true });
  scrollTo({ top: 0 });
});

cards.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches(".card")) event.target.querySelector("a").click();
});

cards.addEventListener("click", (event) => { // a field of the map of places
  const map = event.target.matches(".places rect") && event.target.closest("svg");
  if (!map) return;
  for (const [name, start, fields] of [["across", "x", map.dataset.columns], ["down", "y", map.dataset.rows]]) {
    const first = Number(event.target.getAttribute(start));
    const inputs = [filter.elements[`${name}_from`], filter.elements[`${name}_to`]];
    if (!inputs[0]) continue; // all defects lie in one line
    inputs.forEach((input, end) => (input.value = (first + end) / fields));
  }
  describeRanges();
  show(address(), "push");
});

document.querySelector(".versions").addEventListener("click", (event) => {
  const link = event.target.closest("a[data-version]");
  if (link) link.search = location.search; // the same filter in another version
});

addEventListener("popstate", () => location.reload());

document.addEventListener("marked", ({ detail }) => {
  for (const [review, change] of [[detail.before, -1], [detail.wanted, 1]]) {
    const number = filter.querySelector(`[name=review][value=${review}] ~ .number`);
    number.dataset.count = Number(number.dataset.count) + change;
    number.textContent = Number(number.dataset.count).toLocaleString("en");
  }
});

// ---- clips play while they are in view, and are let go of when they are not

const seen = new IntersectionObserver(
  (entries) => entries.forEach(({ target, isIntersecting }) => play(target, isIntersecting)),
  { rootMargin: "150px" },
);

function play(image, inView) {
  image.dataset.inView = inView ? "yes" : "";
  if (!inView) {
    image.removeAttribute("src");
    return;
  }
  const moving = motion.getAttribute("aria-pressed") === "true";
  image.src = image.dataset.clip + (moving ? "" : "?still=true");
}

function watch() {
  seen.disconnect();
  cards.querySelectorAll("img[data-clip]").forEach((image) => seen.observe(image));
}

motion.addEventListener("click", () => {
  const moving = motion.getAttribute("aria-pressed") !== "true";
  motion.setAttribute("aria-pressed", String(moving));
  cards.querySelectorAll("img[data-in-view=yes]").forEach((image) => play(image, true));
});

// ---- begin

if (matchMedia("(prefers-reduced-motion: reduce)").matches) motion.setAttribute("aria-pressed", "false");
if (matchMedia("(max-width: 760px)").matches) document.querySelector(".filters").open = false;
sessionStorage.setItem("grid", location.search);
describeRanges();
listenForMarks(cards);
listenForArrows(cards);
listenForCopies(cards);
watch();
