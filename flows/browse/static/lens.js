// A loupe over a canvas: it follows the pointer, or the arrow keys, and shows pixels as they are.

const POWER = 4; // pixels of the loupe for one that the canvas shows
const STEP = 8; // pixels of the screen for an arrow key

export class Lens {
  /** The loupe lies in `box`, which holds the canvas alone and is positioned. */
  constructor(canvas, box) {
    this.canvas = canvas;
    this.at = [0.5, 0.5]; // of the canvas
    this.glass = document.createElement("canvas");
    this.glass.className = "lens";
    this.glass.hidden = true;
    this.glass.setAttribute("aria-hidden", "true");
    box.append(this.glass);
    box.addEventListener("pointermove", (event) => {
      if (!this.on) return;
      const { left, top, width, height } = canvas.getBoundingClientRect();
      this.move((event.clientX - left) / width, (event.clientY - top) / height);
    });
  }

  get on() {
    return !this.glass.hidden;
  }

  show(on) {
    this.glass.hidden = !on;
    this.draw();
  }

  move(x, y) {
    this.at = [Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y))];
    this.draw();
  }

  /** Whether an arrow key moved it. */
  key(name) {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[name];
    if (!this.on || !step) return false;
    const { width, height } = this.canvas.getBoundingClientRect();
    this.move(this.at[0] + (step[0] * STEP) / width, this.at[1] + (step[1] * STEP) / height);
    return true;
  }

  draw() {
    if (!this.on) return;
    const { canvas, glass } = this;
    const shown = canvas.clientWidth / canvas.width || 1; // pixels of the screen for one of the canvas
    const side = Math.round(Math.max(120, Math.min(260, canvas.clientWidth / 2)));
    if (glass.width !== side) glass.width = glass.height = side;
    const [x, y] = [this.at[0] * canvas.width, this.at[1] * canvas.height];
    const reach = side / (2 * POWER * shown);
    const context = glass.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.fillStyle = "#14171b";
    context.fillRect(0, 0, side, side);
    context.drawImage(canvas, x - reach, y - reach, 2 * reach, 2 * reach, 0, 0, side, side);
    glass.style.left = `${canvas.offsetLeft + this.at[0] * canvas.clientWidth - side / 2}px`;
    glass.style.top = `${canvas.offsetTop + this.at[1] * canvas.clientHeight - side / 2}px`;
  }
}
