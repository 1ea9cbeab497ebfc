"use strict";
const reveal = () => {  // a link into a closed set opens it
  const found = document.getElementById(location.hash.slice(1));
  if (!found || found.tagName !== "DETAILS") return;
  found.open = true;
  found.scrollIntoView();
  found.querySelector("summary").focus({ preventScroll: true });
};
addEventListener("hashchange", reveal);
reveal();

const pause = document.getElementById("pause");
const still = (image) => {  // a picture of the clip's first frame in its place
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height, canvas.className] = [image.naturalWidth, image.naturalHeight, "still"];
  canvas.getContext("2d").drawImage(image, 0, 0);
  image.after(canvas);
  image.hidden = true;
};
const show = async (paused) => {
  pause.setAttribute("aria-pressed", paused);
  pause.textContent = paused ? "play clips" : "pause clips";
  document.querySelectorAll("canvas.still").forEach((canvas) => canvas.remove());
  for (const image of document.querySelectorAll("img.moving")) {
    image.hidden = false;
    if (paused) await image.decode().then(() => still(image), () => {});
  }
};
pause.addEventListener("click", () => show(pause.getAttribute("aria-pressed") !== "true"));
if (matchMedia("(prefers-reduced-motion: reduce)").matches) show(true);

document.addEventListener("click", ({ target }) => {  // a clip opens its videos at their own size
  const whole = target.closest?.(".loop")?.parentElement.querySelector("details.whole");
  if (!whole || !target.matches("img, canvas")) return;
  whole.open = !whole.open;
  if (whole.open) whole.scrollIntoView({ block: "nearest" });
});

const others = document.getElementById("others");
const listed = [...others.children];
document.getElementById("order").addEventListener("change", ({ target }) => {
  const name = target.value.replace("-", "");
  const sign = target.value.startsWith("-") ? -1 : 1;
  const key = (set) => sign * Number(set.dataset[name]);
  others.append(...(name ? [...listed].sort((a, b) => key(a) - key(b)) : listed));
});

document.addEventListener("click", async ({ target }) => {
  if (!target.classList.contains("copy")) return;
  const code = target.parentElement.querySelector("pre");
  try {
    await navigator.clipboard.writeText(code.textContent);
    target.textContent = "copied";
  } catch {  // not allowed here: select it instead
    getSelection().selectAllChildren(code);
    target.textContent = "selected";
  }
  setTimeout(() => { target.textContent = "copy"; }, 1500);
});
