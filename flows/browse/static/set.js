// A set: all kept futures on one clock, what lies over them, and the paths of all that were drawn.

import { base, listenForArrows, listenForCopies, listenForMarks } from "./common.js";
import { Magnifier } from "./magnifier.js";

const data = JSON.parse(document.querySelector("#data").textContent);
const total = data.past + data.future;
const [shownHeight, shownWidth] = data.shown; // of a frame in a sheet
const scale = Math.max(1, Math.round(320 / Math.max(shownWidth, shownHeight)));
const [width, height] = [shownWidth * scale, shownHeight * scale]; // of a tile
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const hue = (point) => `hsl(${Math.round((360 * point) / data.positions.length)} 90% 60%)`;
const one = (selector) => document.querySelector(selector);

const state = { frame: data.past, playing: false, chosen: 0, difference: false, outlines: false, masks: false, tracks: false };
const sheets = {}; // by name: pictures with all frames of a video
let keypoints = null; // float32, (N, F, D)

// ---- pictures

function sheet(name, rank) {
  const key = rank === undefined ? name : `${name} ${rank}`;
  if (!sheets[key]) {
    sheets[key] = new Image();
    sheets[key].addEventListener("load", draw);
    sheets[key].src = `${base}/set/${data.set}/${name}.webp` + (rank === undefined ? "" : `?rank=${rank}`);
  }
  return sheets[key].complete && sheets[key].naturalWidth ? sheets[key] : null;
}

function paint(context, picture, frame, columns) {
  if (!picture) return;
  const [left, top] = [(frame % columns) * shownWidth, Math.floor(frame / columns) * shownHeight];
  const { width, height } = context.canvas;
  context.drawImage(picture, left, top, shownWidth, shownHeight, 0, 0, width, height);
}

const rankOf = (tile) => (tile.dataset.rank === undefined ? null : Number(tile.dataset.rank));

function drawTile(tile) {
  drawInto(tile.querySelector("canvas"), rankOf(tile));
}

function drawInto(canvas, rank, whole = () => null) {
  const context = canvas.getContext("2d");
  const ahead = state.frame - data.past;
  const [name, frame] = ahead < 0 ? ["past", state.frame] : [rank === null ? "reference" : "videos", ahead];
  const columns = ahead < 0 ? data.columns.past : data.columns.future;
  context.globalCompositeOperation = "source-over";
  const native = whole(name, frame);
  if (native) context.drawImage(native, 0, 0);
  else paint(context, sheet(name, name === "videos" ? rank : undefined), frame, columns);
  if (ahead < 0 || rank === null) return;
  if (state.difference) {
    context.globalCompositeOperation = "difference";
    paint(context, sheet("reference"), ahead, columns);
    context.globalCompositeOperation = "lighter"; // four times as bright
    for (let i = 0; i < 2; i += 1) context.drawImage(canvas, 0, 0);
    context.globalCompositeOperation = "source-over";
  }
  if (state.masks) paint(context, sheet("masks", rank), ahead, columns);
  if (state.outlines) {
    const border = whole("outlines", ahead);
    if (border) context.drawImage(border, 0, 0);
    else paint(context, sheet("outlines", rank), ahead, columns);
  }
  if (state.tracks) drawTracks(context, data.kept[rank], ahead);
}

// ---- one video at its own size

const dialog = one("#native");
const magnifier = new Magnifier(dialog, [data.width, data.height]);
const frames = {}; // by address: pictures of single frames
let zoomed = null; // rank, or null for the reference

function nativeFrame(name, frame) {
  if (state.playing || (shownWidth === data.width && shownHeight === data.height)) return null;
  const address = `${base}/set/${data.set}/${name}/${frame}.webp` + (["videos", "outlines"].includes(name) ? `?rank=${zoomed}` : "");
  if (!frames[address]) {
    frames[address] = new Image();
    frames[address].addEventListener("load", drawNative);
    frames[address].src = address;
  }
  return frames[address].complete && frames[address].naturalWidth ? frames[address] : null;
}

function drawNative() {
  if (!dialog.open) return;
  drawInto(dialog.querySelector("canvas"), zoomed, nativeFrame);
  one("#native-clock").textContent = one("#clock").value;
  magnifier.draw();
}

function openNative(rank) {
  zoomed = rank;
  play(false);
  one("#native-title").textContent = rank === null ? "reference" : `#${rank + 1}, draw ${data.kept[rank]}`;
  dialog.showModal();
  magnifier.begin();
  drawNative();
}

// ---- keypoints

const value = (future, frame, column) =>
  keypoints[(future * data.future + frame) * data.length + column];

// -1 and 1 are the centres of the outermost pixels.
const place = (position, extent, size) => (((position + 1) / 2) * (extent - 1) + 0.5) * (size / extent);

function path(context, future, point, last, size) {
  const [x, y] = data.positions[point];
  context.beginPath();
  for (let frame = 0; frame <= last; frame += 1) {
    context.lineTo(
      place(value(future, frame, x), data.width, size[0]),
      place(value(future, frame, y), data.height, size[1]),
    );
  }
  context.stroke();
}

function drawTracks(context, future, frame) {
  if (!keypoints) return;
  const { width, height } = context.canvas;
  context.lineWidth = 2;
  data.positions.forEach(([x, y], point) => {
    context.strokeStyle = context.fillStyle = hue(point);
    path(context, future, point, frame, [width, height]);
    const at = [place(value(future, frame, x), data.width, width), place(value(future, frame, y), data.height, height)];
    context.beginPath();
    context.arc(...at, 3.5, 0, 2 * Math.PI);
    context.fill();
  });
}

function drawFan() {
  const canvas = one("#fan");
  if (!canvas || !keypoints) return;
  const factor = Math.max(1, Math.round(640 / Math.max(shownWidth, shownHeight)));
  const size = [shownWidth * factor, shownHeight * factor];
  if (canvas.width !== size[0]) [canvas.width, canvas.height] = size;
  const context = canvas.getContext("2d");
  const past = sheet("past");
  const last = data.past - 1;
  if (past) {
    const columns = data.columns.past;
    const from = [(last % columns) * shownWidth, Math.floor(last / columns) * shownHeight];
    context.drawImage(past, ...from, shownWidth, shownHeight, 0, 0, ...size);
  }
  context.fillStyle = "rgb(15 18 22 / 70%)";
  context.fillRect(0, 0, ...size);
  const kept = new Set(data.kept);
  for (let future = 0; future < data.samples; future += 1) {
    if (!kept.has(future)) stroke(future, "rgb(190 196 204 / 28%)", 1);
  }
  for (const future of data.kept) stroke(future, null, 1.5);
  stroke(data.kept[state.chosen], "#fff", 3);
  function stroke(future, colour, line) {
    context.lineWidth = line;
    data.positions.forEach((_, point) => {
      context.strokeStyle = colour ?? hue(point);
      path(context, future, point, data.future - 1, size);
    });
  }
}

function drawCurves() {
  if (!keypoints) return;
  const canvas = one("#curves");
  const column = Number(one("#value").value);
  const size = [720, 480];
  [canvas.width, canvas.height] = size;
  const context = canvas.getContext("2d");
  const [left, right, top, bottom] = [104, size[0] - 16, 18, size[1] - 48];
  let [low, high] = [Infinity, -Infinity];
  for (let future = 0; future < data.samples; future += 1) {
    for (let frame = 0; frame < data.future; frame += 1) {
      low = Math.min(low, value(future, frame, column));
      high = Math.max(high, value(future, frame, column));
    }
  }
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
  const across = (frame) => left + ((right - left) * frame) / Math.max(1, data.future - 1);
  const up = (number) => bottom - ((bottom - top) * (number - low)) / (high - low);
  context.font = "20px system-ui, sans-serif";
  context.fillStyle = colour("--faded");
  context.strokeStyle = colour("--line");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (let tick = 0; tick <= 4; tick += 1) {
    const number = low + ((high - low) * tick) / 4;
    context.fillText(number.toPrecision(3), left - 10, up(number));
    context.beginPath();
    context.moveTo(left, up(number));
    context.lineTo(right, up(number));
    context.stroke();
  }
  context.textBaseline = "top";
  for (const frame of new Set([0, Math.floor((data.future - 1) / 2), data.future - 1])) {
    context.textAlign = frame === data.future - 1 ? "right" : "center";
    context.fillText(`t+${frame + 1}`, across(frame), bottom + 12);
  }
  const kept = new Set(data.kept);
  const draw = (future, paint, line) => {
    context.strokeStyle = paint;
    context.lineWidth = line;
    context.beginPath();
    for (let frame = 0; frame < data.future; frame += 1) {
      context.lineTo(across(frame), up(value(future, frame, column)));
    }
    context.stroke();
  };
  for (let future = 0; future < data.samples; future += 1) {
    if (!kept.has(future)) draw(future, colour("--ghost"), 1);
  }
  for (const future of data.kept) draw(future, colour("--accent"), 1.5);
  draw(data.kept[state.chosen], colour("--ink"), 4);
  const now = state.frame - data.past;
  if (now >= 0) {
    context.strokeStyle = colour("--rejected");
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(across(now), top);
    context.lineTo(across(now), bottom);
    context.stroke();
  }
}

// ---- one clock for all

const tiles = [...document.querySelectorAll(".tile")];
for (const tile of tiles) {
  const canvas = tile.querySelector("canvas");
  [canvas.width, canvas.height] = [width, height];
}
const visible = new Set();
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    visible[isIntersecting ? "add" : "delete"](target);
    if (isIntersecting) drawTile(target);
  }
});
tiles.forEach((tile) => seen.observe(tile));

function draw() {
  visible.forEach(drawTile);
  drawNative();
}

function go(frame) {
  state.frame = ((frame % total) + total) % total;
  const ahead = state.frame - data.past + 1;
  one("#time").value = state.frame;
  one("#clock").value = ahead > 0 ? `t+${ahead} of ${data.future}` : ahead === 0 ? "t0, last seen" : `t${ahead}, seen`;
  document.body.dataset.frame = state.frame;
  draw();
  drawCurves();
}

function play(playing) {
  state.playing = playing;
  one("#play").textContent = playing ? "pause" : "play";
  one("#play").setAttribute("aria-pressed", String(playing));
  if (!playing) return;
  let shown = performance.now();
  const step = 1000 / data.fps;
  const tick = (now) => {
    if (!state.playing) return;
    if (now - shown >= step) {
      const frames = Math.min(Math.floor((now - shown) / step), 3); // a busy machine skips a few
      shown = frames === 3 ? now : shown + frames * step;
      go(state.frame + frames);
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

function step(frames) {
  play(false);
  go(state.frame + frames);
}

function toggle(name) {
  const button = one(`[data-toggle=${name}]`);
  if (button.disabled) return;
  state[name] = !state[name];
  button.setAttribute("aria-pressed", String(state[name]));
  draw();
}

function choose(rank) {
  state.chosen = rank;
  for (const tile of tiles) tile.classList.toggle("chosen", Number(tile.dataset.rank) === rank);
  drawFan();
  drawCurves();
}

one("#play").addEventListener("click", () => play(!state.playing));
one("#time").addEventListener("input", (event) => {
  play(false);
  go(Number(event.target.value));
});
document.querySelectorAll("[data-toggle]").forEach((button) =>
  button.addEventListener("click", () => toggle(button.dataset.toggle)),
);
one("#value").addEventListener("change", drawCurves);
const grid = one(".tiles");
let chosenBefore = false;
for (const kind of ["focusin", "click"]) {
  grid.addEventListener(kind, (event) => {
    const tile = event.target.closest("[data-rank]");
    if (tile) choose(Number(tile.dataset.rank));
  });
}
grid.addEventListener("mousedown", (event) => { // before the click chooses it
  const tile = event.target.closest(".tile");
  chosenBefore = tile?.classList.contains("chosen") || tile?.matches(".reference");
});
grid.addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  if (event.target.closest(".zoom") || (event.target.matches("canvas") && chosenBefore)) openNative(rankOf(tile));
});
one("#native-close").addEventListener("click", () => dialog.close());
listenForMarks(grid, () => one("#note").value);
listenForArrows(grid);
listenForCopies(document);
document.addEventListener("marked", () => (one("#note").value = ""));
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, pre")) return;
  if ([" ", "Enter"].includes(event.key) && event.target.matches("button, a, summary")) return;
  if (dialog.open && magnifier.key(event)) return;
  const keys = {
    " ": () => play(!state.playing),
    ".": () => step(1),
    ",": () => step(-1),
    ArrowRight: () => step(1), // on a future, arrows go to the next one
    ArrowLeft: () => step(-1),
    d: () => toggle("difference"),
    o: () => toggle("outlines"),
    m: () => toggle("masks"),
    t: () => toggle("tracks"),
    z: () => (dialog.open ? dialog.close() : openNative(state.chosen)),
  };
  const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return;
  action();
  event.preventDefault();
});

// ---- begin

one("#back").href = `${base}/` + (sessionStorage.getItem("grid") ?? "");
const named = /^#rank-(\d+)$/.exec(location.hash);
const first = named ? Math.min(Number(named[1]), data.kept.length - 1) : 0;
go(data.past);
choose(first);
fetch(`${base}/set/${data.set}/keypoints`)
  .then((answer) => (answer.ok ? answer.arrayBuffer() : Promise.reject(answer)))
  .then((bytes) => {
    keypoints = new Float32Array(bytes);
    document.body.dataset.ready = "yes";
    choose(state.chosen);
    draw();
  })
  .catch(() => (one("#fans").textContent = "Keypoints of this set cannot be read; see flawcast verify"));
sheet("past");
sheets.past.addEventListener("load", drawFan);
play(!matchMedia("(prefers-reduced-motion: reduce)").matches);
