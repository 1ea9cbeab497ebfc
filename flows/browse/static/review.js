// Review: one sample at a time, marked by key; the store keeps every mark, the address the place.

import { base, listenForCopies, send, tell } from "./common.js";
import { Lens } from "./lens.js";

const rows = JSON.parse(document.querySelector("#data").textContent);
const one = (selector) => document.querySelector(selector);
const canvas = one("#video");
const context = canvas?.getContext("2d");
const FRESH = 10_000; // milliseconds between looks at what colleagues marked
const AHEAD = 3; // samples whose pictures are fetched before they are needed
const HELD = 12; // samples whose pictures are kept

let at = 0;
let frame = 0;
const state = { play: true, outline: true, loupe: false };
const undone = []; // what `undo` takes back: the sample's number, and its mark before
let sending = Promise.resolve(); // marks arrive in the order of the keys
let waiting = 0; // marks that have not arrived
const lens = canvas && new Lens(canvas, one("#stage"));

// ---- pictures: all frames of a video in one, and single ones for looking closely

const sheets = new Map(); // by name: the newest last
const singles = new Map();

function picture(store, address, most) {
  let image = store.get(address);
  if (image) store.delete(address);
  else {
    image = new Image();
    image.addEventListener("load", draw);
    image.src = address;
  }
  store.set(address, image);
  if (store.size > most) store.delete(store.keys().next().value);
  return image.complete && image.naturalWidth ? image : null;
}

const there = (row, name, number = "") =>
  `${base}/set/${row.set_id}/${name}${number === "" ? "" : `/${number}`}.webp?rank=${row.rank}`;
const sheet = (row, name) => picture(sheets, there(row, name), 2 * HELD);

function paint(row, name, begin) {
  const image = sheet(row, name);
  if (!image) return false;
  const columns = Math.ceil(Math.sqrt(row.future));
  const lines = Math.ceil(row.future / columns);
  const [width, height] = [image.naturalWidth / columns, image.naturalHeight / lines];
  const whole = !state.play && (width < row.width || height < row.height) && picture(singles, there(row, name, frame), 16);
  const size = whole ? [row.width, row.height] : [width, height];
  if (begin && (canvas.width !== size[0] || canvas.height !== size[1])) [canvas.width, canvas.height] = size;
  if (whole) context.drawImage(whole, 0, 0, canvas.width, canvas.height);
  else {
    const [left, top] = [(frame % columns) * width, Math.floor(frame / columns) * height];
    context.drawImage(image, left, top, width, height, 0, 0, canvas.width, canvas.height);
  }
  return true;
}

function draw() {
  const row = rows[at];
  const drawn = paint(row, "videos", true);
  if (drawn && state.outline && row.masks) paint(row, "outlines", false);
  document.body.dataset.drawn = drawn ? row.sample_id : "";
  document.body.dataset.frame = frame;
  if (!drawn) context.clearRect(0, 0, canvas.width, canvas.height);
  lens.draw();
}

function playOn() {
  let shown = performance.now();
  const tick = (now) => {
    const step = 1000 / (rows[at].fps || 12.5);
    if (state.play && now - shown >= step) {
      const frames = Math.min(Math.floor((now - shown) / step), 3); // a busy machine skips a few
      shown = frames === 3 ? now : shown + frames * step;
      frame = (frame + frames) % rows[at].future;
      draw();
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

// ---- which sample

const unreviewed = (row) => row.review === "none";
const words = { accepted: "accepted", rejected: "rejected", none: "not reviewed" };

function count() {
  const of = (review) => rows.filter((row) => row.review === review).length;
  const [accepted, rejected] = [of("accepted"), of("rejected")];
  one("#bar").value = accepted + rejected;
  one("#progress").textContent =
    `${(accepted + rejected).toLocaleString("en")} of ${rows.length.toLocaleString("en")} reviewed: ` +
    `${accepted.toLocaleString("en")} accepted, ${rejected.toLocaleString("en")} rejected`;
  one("#done").hidden = accepted + rejected < rows.length;
}

function describe() {
  const row = rows[at];
  one("#position").textContent = `${(at + 1).toLocaleString("en")} of ${rows.length.toLocaleString("en")}`;
  one("#verdict").textContent = words[row.review];
  one("#verdict").dataset.review = row.review;
  one("#about").dataset.review = row.review;
  one("#label").textContent = row.label;
  one("#clip").textContent = `${row.clip_name}, ${row.mode}, kept future ${row.rank + 1}`;
  one("#set").href = `${base}/set/${row.set_id}#rank-${row.rank}`;
  const scores = [
    ...(row.defect_type ? [["defect", row.defect_type], ["severity", row.defect_severity?.toFixed(2) ?? "–"]] : []),
    ["diversity", row.diversity.toFixed(4)],
    ["MAE", row.mae.toFixed(4)],
    ["SSIM", row.ssim.toFixed(3)],
    ["size", `${row.width} × ${row.height}`],
  ];
  one("#scores").replaceChildren(
    ...scores.map(([name, value]) => {
      const line = document.createElement("div");
      for (const [tag, text] of [["dt", name], ["dd", value]]) line.append(Object.assign(document.createElement(tag), { textContent: text }));
      return line;
    }),
  );
  canvas.setAttribute("aria-label", `${row.label}, ${row.clip_name}, kept future ${row.rank + 1}: ${words[row.review]}`);
  for (const button of document.querySelectorAll("[data-mark]")) button.setAttribute("aria-pressed", String(button.dataset.mark === row.review));
  for (const [name, end] of [["previous", 0], ["next", rows.length - 1]]) one(`[data-do=${name}]`).disabled = at === end;
  one("[data-do=undo]").disabled = !undone.length;
  one("[data-do=outline]").disabled = !row.masks;
  count();
}

function go(number) {
  if (number < 0 || number >= rows.length) return tell(number < 0 ? "this is the first" : "this is the last");
  at = number;
  frame = 0;
  canvas.style.setProperty("--ratio", rows[at].width / rows[at].height);
  history.replaceState(null, "", `#${rows[at].sample_id}`); // a reload stays here
  describe();
  draw();
  for (let ahead = 1; ahead <= AHEAD; ahead += 1) {
    const row = rows[at + ahead];
    if (row) sheet(row, "videos");
    if (row?.masks && state.outline) sheet(row, "outlines");
  }
}

function goOpen() {
  for (let step = 1; step < rows.length; step += 1) {
    const number = (at + step) % rows.length;
    if (unreviewed(rows[number])) return go(number);
  }
  describe();
  if (unreviewed(rows[at])) return;
  tell("all of these are reviewed");
  one("#after").focus();
}

// ---- marks

function store(number, review) {
  const row = rows[number];
  const before = row.review;
  if (before === review) return;
  row.review = review; // shown at once, taken back if the store does not take it
  waiting += 1;
  document.body.dataset.waiting = waiting;
  sending = sending.then(async () => {
    const { problem } = await send("review", { sample_id: row.sample_id, review, note: "" });
    waiting -= 1;
    document.body.dataset.waiting = waiting;
    if (!problem) return;
    row.review = before;
    go(number);
    tell(problem);
  });
}

function mark(review) {
  undone.push([at, rows[at].review]);
  store(at, review);
  tell(review);
  goOpen();
}

function undo() {
  if (!undone.length) return tell("nothing to undo: no mark was made on this page");
  const [number, before] = undone.pop();
  store(number, before);
  go(number);
  tell("undone");
}

function clear() {
  if (unreviewed(rows[at])) return;
  undone.push([at, rows[at].review]);
  store(at, "none");
  describe();
  tell("mark taken back");
}

async function look() {
  if (document.hidden || waiting) return;
  const answer = await fetch(`${base}/verdicts`).catch(() => null);
  if (!answer?.ok || waiting) return;
  const verdicts = await answer.json();
  if (waiting) return; // a mark of ours is newer
  for (const row of rows) row.review = verdicts[row.sample_id] ?? "none";
  describe();
}

// ---- keys and buttons

function toggle(name) {
  const button = one(`[data-do=${name}]`);
  if (button.disabled) return;
  state[name] = !state[name];
  button.setAttribute("aria-pressed", String(state[name]));
  if (name === "loupe") {
    if (state.loupe && state.play) toggle("play"); // one looks closely at one frame
    lens.show(state.loupe);
  }
  draw();
}

function step(frames) {
  if (state.play) toggle("play");
  frame = (frame + frames + rows[at].future) % rows[at].future;
  draw();
}

const actions = {
  next: () => go(at + 1),
  previous: () => go(at - 1),
  accept: () => mark("accepted"),
  reject: () => mark("rejected"),
  open: goOpen,
  undo,
  clear,
  play: () => toggle("play"),
  outline: () => toggle("outline"),
  loupe: () => toggle("loupe"),
  back: () => step(-1),
  on: () => step(1),
  set: () => one("#set").click(),
  help: () => (one("#help").open ? one("#help").close() : one("#help").showModal()),
};
const keys = {
  j: "next", k: "previous", ArrowRight: "next", ArrowLeft: "previous", a: "accept", r: "reject", u: "undo",
  c: "clear", n: "open", " ": "play", o: "outline", l: "loupe", ",": "back", ".": "on", Enter: "set", "?": "help",
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (one("#help").open && event.key !== "?") return;
  if ([" ", "Enter"].includes(event.key) && event.target.matches("a, button, summary")) return;
  if (event.target.matches("pre") && event.key.startsWith("Arrow")) return;
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (lens.key(event.key)) event.preventDefault();
  else if (action && !(event.repeat && ["a", "r", "u"].includes(event.key.toLowerCase()))) {
    event.preventDefault();
    actions[action]();
  }
}

if (rows.length) {
  document.addEventListener("keydown", press);
  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name) actions[name]();
  });
  document.addEventListener("visibilitychange", look);
  setInterval(look, FRESH);
  listenForCopies(document);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) toggle("play");
  const named = rows.findIndex((row) => `#${row.sample_id}` === location.hash);
  const open = rows.findIndex(unreviewed);
  go(named >= 0 ? named : Math.max(0, open));
  playOn();
  document.body.dataset.ready = "yes";
}
