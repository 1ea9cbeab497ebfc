// A defect in a still: a rectangle, the mask that the server proposes, a brush, a label.

import { send, tell } from "./common.js";

const data = JSON.parse(document.querySelector("#data").textContent);
const one = (selector) => document.querySelector(selector);
const canvas = one("#still");
const context = canvas.getContext("2d");
const paper = one("#paper");
const name = one("#name");
const sides = ["left", "top", "width", "height"].map((side) => one(`#${side}`));
const WAIT = 250; // milliseconds after the last change
const LEAST = 3; // pixels of a rectangle's sides
const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8];

const still = new Image();
let mask = null; // the proposed one, as colours
let box = null; // [left, top, width, height]
let strokes = [];
let tool = "box";
let cursor = [0, 0]; // of the brush
let drawing = null; // what the pointer does
let zoom = 0;
let asked = 0; // the newest question about a mask
let waiting = 0;

// ---- what is shown

function draw() {
  if (!still.naturalWidth) return;
  context.drawImage(still, 0, 0);
  if (mask) context.drawImage(mask, 0, 0);
  const line = Math.max(1, canvas.width / canvas.clientWidth); // a pixel of the screen
  const border = (values, dash) => {
    for (const [colour, wide] of [["#14171b", 4], ["#ffd54a", 2]]) {
      context.setLineDash(dash.map((part) => part * line));
      context.strokeStyle = colour;
      context.lineWidth = wide * line;
      context.strokeRect(...values);
    }
    context.setLineDash([]);
  };
  if (box) border(box, [6, 4]);
  if (tool === "box") return;
  context.lineWidth = 2 * line;
  context.strokeStyle = tool === "on" ? "#ff3cc8" : "#ffffff";
  context.beginPath();
  context.arc(cursor[0] + 0.5, cursor[1] + 0.5, radius(), 0, 2 * Math.PI);
  context.stroke();
}

const radius = () => Number(one("#radius").value);
const within = (value, most) => Math.min(most, Math.max(0, value));

function fit() {
  const free = Math.min(paper.clientWidth - 2, ((innerHeight * 0.7) * canvas.width) / canvas.height);
  canvas.style.width = `${Math.round(free * ZOOMS[zoom])}px`;
  canvas.classList.toggle("sharp", ZOOMS[zoom] * free > 2 * canvas.width);
  draw();
}

/** What one works at stays in the middle. */
function centre() {
  const [x, y] = box ? [box[0] + box[2] / 2, box[1] + box[3] / 2] : cursor;
  const shown = canvas.clientWidth / canvas.width;
  paper.scrollTo(x * shown - paper.clientWidth / 2, y * shown - paper.clientHeight / 2);
}

function showBox() {
  sides.forEach((side, number) => (side.value = box ? box[number] : 0));
}

function setBox(left, top, width, height) {
  const [x, y] = [within(Math.round(left), canvas.width - LEAST), within(Math.round(top), canvas.height - LEAST)];
  box = [x, y, Math.max(LEAST, Math.min(Math.round(width), canvas.width - x)), Math.max(LEAST, Math.min(Math.round(height), canvas.height - y))];
  showBox();
  changed();
}

// ---- the mask

function marked() {
  const [left, top, width, height] = box;
  return { name: name.value, box: { left, top, width, height }, strokes };
}

function changed() {
  document.body.dataset.mask = "";
  draw();
  clearTimeout(waiting);
  if (box) waiting = setTimeout(propose, WAIT);
}

async function propose() {
  const question = (asked += 1);
  const { answer, problem } = await send("outline", marked());
  if (question !== asked) return; // something newer is asked
  if (problem) {
    mask = null;
    one("#said").textContent = problem;
    draw();
    return;
  }
  const bitmap = await createImageBitmap(await answer.blob());
  if (question !== asked) return;
  mask = bitmap;
  one("#said").textContent = "The mask is proposed in pink. Mend it with the brush, or save it.";
  document.body.dataset.mask = String(question);
  draw();
}

function anew() {
  [box, mask, strokes] = [null, null, []];
  asked += 1;
  clearTimeout(waiting);
  one("#said").textContent = "Nothing is marked yet.";
  showBox();
  setTool("box");
  changed();
}

function open() {
  anew();
  document.body.dataset.still = "";
  one("#label").value = data.labels[name.value] || one("#label").value;
  still.src = `/still?name=${encodeURIComponent(name.value)}`;
}

still.addEventListener("load", () => {
  [canvas.width, canvas.height] = [still.naturalWidth, still.naturalHeight];
  cursor = [Math.round(canvas.width / 2), Math.round(canvas.height / 2)];
  sides.forEach((side, number) => (side.max = number % 2 ? canvas.height : canvas.width));
  one("#radius").value = Math.max(1, Math.round(Math.max(canvas.width, canvas.height) / 100));
  zoom = 0;
  fit();
  document.body.dataset.still = name.value;
});
still.addEventListener("error", () => {
  one("#said").textContent = `${name.value} cannot be read: it is damaged, or the page has ended`;
});

async function save(event) {
  event.preventDefault();
  const label = one("#label").value.trim();
  if (!box) return tell("nothing is marked: drag a rectangle around a defect");
  if (!label) {
    one("#label").focus();
    return tell("the defect needs a label");
  }
  const { answer, problem } = await send("save", { ...marked(), label, licence: one("#licence").value });
  if (problem) return tell(problem);
  const saved = await answer.json();
  if (!saved.item_id) return tell("the bank has this defect already");
  one("#items").textContent = saved.items;
  const card = document.createElement("li");
  card.className = "card";
  const image = Object.assign(new Image(), { src: `/item/${saved.item_id}.webp`, alt: `${saved.label}, cut out of ${name.value}` });
  card.append(image, Object.assign(document.createElement("p"), { className: "about", textContent: saved.label }));
  one("#saved").prepend(card);
  anew();
  one("#said").textContent = `Saved: ${saved.label}, ${saved.pixels.toLocaleString("en")} pixels. Mark the next one.`;
  paper.focus();
}

// ---- tools

function setTool(wanted) {
  tool = wanted;
  for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === wanted));
  draw();
}

function place(event) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [((event.clientX - left) / width) * canvas.width, ((event.clientY - top) / height) * canvas.height];
}

function paint(points) {
  strokes.push({ on: tool === "on", radius: radius(), points });
  if (!box) { // a brush alone is enough: the rectangle is what it covers
    const reach = 2 * radius();
    setBox(points[0][0] - reach, points[0][1] - reach, 2 * reach, 2 * reach);
  }
  changed();
}

paper.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || event.target !== canvas) return;
  paper.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  drawing = { from: place(event), points: [place(event)] };
  event.preventDefault();
});
canvas.addEventListener("pointermove", (event) => {
  const [x, y] = place(event);
  cursor = [within(x, canvas.width - 1), within(y, canvas.height - 1)];
  if (drawing && tool === "box") {
    const [from, to] = [drawing.from, cursor];
    box = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])].map(Math.round);
  } else if (drawing) drawing.points.push([...cursor]);
  draw();
  if (drawing && tool !== "box") trace(drawing.points);
});
canvas.addEventListener("pointerup", (event) => {
  if (!drawing) return;
  const { from, points } = drawing;
  const to = place(event);
  drawing = null;
  if (tool !== "box") return paint(points);
  if (Math.abs(to[0] - from[0]) < LEAST || Math.abs(to[1] - from[1]) < LEAST) return changed(); // a click
  strokes = [];
  setBox(Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
});

function trace(points) {
  context.lineWidth = 2 * radius();
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = tool === "on" ? "rgb(255 60 200 / 60%)" : "rgb(255 255 255 / 60%)";
  context.beginPath();
  points.forEach((point) => context.lineTo(...point));
  context.stroke();
}

function arrow(direction, event) {
  const far = event.ctrlKey ? 1 : Math.max(1, Math.round(Math.max(canvas.width, canvas.height) / 100));
  const [x, y] = direction.map((part) => part * far);
  if (tool !== "box") {
    cursor = [within(cursor[0] + x, canvas.width - 1), within(cursor[1] + y, canvas.height - 1)];
    draw();
    return;
  }
  if (!box) box = [canvas.width / 3, canvas.height / 3, canvas.width / 3, canvas.height / 3].map(Math.round);
  const [left, top, width, height] = box;
  if (event.shiftKey) setBox(left, top, width + x, height + y);
  else setBox(within(left + x, canvas.width - width), within(top + y, canvas.height - height), width, height);
}

const actions = {
  undo: () => {
    if (!strokes.pop()) return tell("nothing to undo");
    changed();
  },
  smaller: () => {
    zoom = Math.max(0, zoom - 1);
    fit();
    centre();
  },
  larger: () => {
    zoom = Math.min(ZOOMS.length - 1, zoom + 1);
    fit();
    centre();
  },
  previous: () => turn(-1),
  next: () => turn(1),
  anew,
};

function turn(step) {
  const number = name.selectedIndex + step;
  if (!name.options[number]) return tell(step > 0 ? "this is the last still" : "this is the first still");
  name.selectedIndex = number;
  open();
}

function resize(factor) {
  one("#radius").value = Math.max(1, Math.round(radius() * factor + Math.sign(factor - 1)));
  draw();
}

paper.addEventListener("keydown", (event) => {
  if (event.metaKey || event.altKey) return;
  const direction = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
  const keys = {
    v: () => setTool("box"), b: () => setTool("on"), x: () => setTool("off"), u: actions.undo,
    "[": () => resize(0.8), "]": () => resize(1.25), "+": actions.larger, "=": actions.larger, "-": actions.smaller,
    Enter: () => one("#label").focus(),
    " ": () => (tool === "box" ? tell("choose a brush first: B or X") : paint([[...cursor]])),
  };
  const action = direction ? () => arrow(direction, event) : !event.ctrlKey && keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!action) return; // Tab leaves
  action();
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  const { tool: wanted, do: action } = event.target.closest("[data-tool], [data-do]")?.dataset ?? {};
  if (wanted) setTool(wanted);
  else if (action) actions[action]();
});
for (const side of sides) side.addEventListener("change", () => setBox(...sides.map((input) => Number(input.value) || 0)));
one("#radius").addEventListener("input", draw);
one("#form").addEventListener("submit", save);
name.addEventListener("change", open);
addEventListener("resize", fit);
open();
