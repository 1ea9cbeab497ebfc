// What both pages share: marks, lines to copy, and a word about what was done.

/** Beginning of all addresses: empty, or /tag/NAME. */
export const base = document.querySelector("meta[name=base]").content;

const form = document.querySelector("meta[name=form]").content;
const words = { accepted: "accepted", rejected: "rejected", none: "mark taken back" };
let fading = 0;

export function tell(text) {
  const toast = document.querySelector("#toast");
  toast.textContent = text;
  toast.classList.add("shown");
  clearTimeout(fading);
  fading = setTimeout(() => toast.classList.remove("shown"), 2500);
}

/** Send values to an address, also while the page is being left: the answer, or what is wrong. */
export async function send(address, values) {
  const body = JSON.stringify(values);
  const answer = await fetch(`${base}/${address}`, {
    method: "POST",
    keepalive: body.length < 60_000, // what a browser lets outlive its page
    headers: { "Content-Type": "application/json", "X-Flawcast-Form": form },
    body,
  }).catch(() => null);
  if (answer?.ok) return { answer, problem: null };
  const told = await answer?.json().catch(() => null);
  return { answer: null, problem: told?.problem ?? "not done: the server of this page has ended or was started again" };
}

let sending = Promise.resolve(); // marks arrive in the order of the keys

/** A card's mark, or the one that is on its way to the store. */
const markOf = (card) => card.dataset.pending ?? card.dataset.review;

/** Mark a card's sample; the mark that it has already is taken back. */
export async function mark(card, review, note = "") {
  const before = markOf(card);
  const wanted = review === before ? "none" : review;
  card.dataset.pending = wanted;
  const sent = sending.then(() => send("review", { sample_id: card.dataset.sample, review: wanted, note }));
  sending = sent;
  const { problem } = await sent;
  if (card.dataset.pending === wanted) delete card.dataset.pending;
  if (problem) {
    tell(problem);
    return;
  }
  card.dataset.review = wanted;
  for (const button of card.querySelectorAll("[data-mark]")) {
    button.setAttribute("aria-pressed", String(button.dataset.mark === wanted));
  }
  tell(words[wanted]);
  document.dispatchEvent(new CustomEvent("marked", { detail: { before, wanted } }));
}

/** Marks by button, and by key on the card that has the focus. */
export function listenForMarks(root, note = () => "") {
  const keys = { a: "accepted", r: "rejected", c: "none" };
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-mark]");
    if (button) mark(button.closest(".card"), button.dataset.mark, note());
  });
  root.addEventListener("keydown", (event) => {
    const review = keys[event.key.toLowerCase()];
    const card = event.target.closest(".card[data-sample]");
    if (!review || !card || event.ctrlKey || event.metaKey || event.altKey) return;
    if (review !== "none" || markOf(card) !== "none") mark(card, review, note());
    event.preventDefault();
  });
}

/** Arrow keys go from card to card, as they stand in the grid. */
export function listenForArrows(root) {
  root.addEventListener("keydown", (event) => {
    const card = event.target.closest(".card[tabindex]");
    if (!card || event.target !== card) return;
    const cards = [...root.querySelectorAll(".card[tabindex]")];
    const top = card.getBoundingClientRect().top;
    const columns = cards.filter((other) => other.getBoundingClientRect().top === top).length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    const next = step && cards[cards.indexOf(card) + step];
    if (!next) return;
    next.focus();
    event.preventDefault();
    event.stopPropagation();
  });
}

/** Buttons beside lines; where the clipboard is closed to us, the line is selected instead. */
export function listenForCopies(root) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const code = button.parentElement.querySelector("code");
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(code.textContent);
      tell("copied");
    } catch {
      tell("selected: copy it with Ctrl-C");
    }
  });
}
