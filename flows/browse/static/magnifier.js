// One video enlarged: zoom, a loupe, and dragging it about.

import { Lens } from "./lens.js";

const ZOOMS = [0.25, 0.5, 1, 2, 4, 8];

export class Magnifier {
  /** `size` is the video's own, [width, height]. */
  constructor(dialog, size) {
    this.size = size;
    this.scroll = dialog.querySelector(".scroll");
    this.canvas = dialog.querySelector(".scroll canvas");
    this.said = dialog.querySelector("#native-zoom");
    this.button = dialog.querySelector("#native-loupe");
    this.lens = new Lens(this.canvas, dialog.querySelector(".sheet"));
    this.zoom = 1;
    dialog.addEventListener("click", (event) => {
      const how = event.target.closest("[data-zoom]")?.dataset.zoom;
      if (how) this[how]();
    });
    this.button.addEventListener("click", () => this.loupe());
    this.scroll.addEventListener("pointermove", (event) => {
      if (event.buttons === 1 && !this.lens.on) this.scroll.scrollBy(-event.movementX, -event.movementY);
    });
  }

  begin() {
    if (this.zoom === "fit") this.fit();
    else this.to(this.zoom);
  }

  /** A size relative to the video's own; the middle of what is seen stays. */
  to(zoom) {
    const { scroll } = this;
    const middle = [
      (scroll.scrollLeft + scroll.clientWidth / 2) / (scroll.scrollWidth || 1),
      (scroll.scrollTop + scroll.clientHeight / 2) / (scroll.scrollHeight || 1),
    ];
    this.zoom = zoom;
    this.canvas.style.width = `${Math.round(this.size[0] * zoom)}px`;
    this.canvas.classList.toggle("sharp", zoom >= 2);
    this.said.value = `${Math.round(100 * zoom)} %`;
    scroll.scrollTo(middle[0] * scroll.scrollWidth - scroll.clientWidth / 2, middle[1] * scroll.scrollHeight - scroll.clientHeight / 2);
    this.draw();
  }

  fit() {
    const room = [innerWidth * 0.92, innerHeight * 0.74];
    this.to(Math.min(room[0] / this.size[0], room[1] / this.size[1]));
  }

  own() {
    this.to(1);
  }

  in() {
    this.to(ZOOMS.find((zoom) => zoom > this.zoom * 1.01) ?? ZOOMS.at(-1));
  }

  out() {
    this.to(ZOOMS.findLast((zoom) => zoom < this.zoom * 0.99) ?? ZOOMS[0]);
  }

  loupe() {
    this.lens.show(!this.lens.on);
    this.button.setAttribute("aria-pressed", String(this.lens.on));
  }

  draw() {
    this.lens.draw();
  }

  /** Whether a key was for the enlarged video: also arrows, which scroll it. */
  key(event) {
    const action = { "+": "in", "=": "in", "-": "out", 0: "fit", 1: "own", l: "loupe", L: "loupe" }[event.key];
    if (action) this[action]();
    if (action || this.lens.key(event.key)) event.preventDefault();
    return Boolean(action) || event.key.startsWith("Arrow");
  }
}
