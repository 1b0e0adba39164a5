// The list of tracks: only the rows in sight exist, and are fetched in pages.

import { ask } from "/store.js";

const HEIGHT = 44;

export class TrackList {
  constructor(element, rows, onChoose) {
    Object.assign(this, { element, rows, onChoose, total: 0, page: 100, known: new Map(), asked: new Set() });
    this.chosen = null;
    element.addEventListener("scroll", () => this.draw());
    addEventListener("resize", () => this.draw());
  }

  open(total, page) {
    this.total = total;
    this.page = page;
    this.rows.style.height = `${total * HEIGHT}px`;
    this.draw();
  }

  choose(number) {
    this.chosen = number;
    const { scrollTop, clientHeight } = this.element;
    const top = number * HEIGHT;
    if (top < scrollTop || top + HEIGHT > scrollTop + clientHeight) {
      this.element.scrollTop = top - clientHeight / 2 + HEIGHT;
    }
    this.draw();
  }

  update(number, state) {
    const row = this.known.get(number);
    if (row) row.state = state;
  }

  draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / HEIGHT) - 5);
    const end = Math.min(this.total, first + Math.ceil(this.element.clientHeight / HEIGHT) + 10);
    const elements = [];
    for (let number = first; number < end; number++) {
      const row = this.known.get(number);
      if (row === undefined) this.fetch(Math.floor(number / this.page));
      elements.push(this.element_of(number, row));
    }
    this.rows.replaceChildren(...elements);
  }

  element_of(number, row) {
    const element = document.createElement("div");
    element.className = "row";
    element.style.top = `${number * HEIGHT}px`;
    if (number === this.chosen) element.classList.add("chosen");
    const done = row?.state.action;
    if (done) element.classList.add("done");
    const bpm = row && (row.state.bpm ?? row.bpm);
    for (const [name, text] of [
      ["mark", done === "accept" ? "✓" : done === "correct" ? "✎" : ""],
      ["name", row ? row.title : "…"],
      ["number", bpm ? bpm.toFixed(1) : "–"],
    ]) {
      const cell = document.createElement("span");
      cell.className = name;
      cell.textContent = text;
      element.append(cell);
    }
    if (row) element.title = `${row.folder ? `${row.folder}/` : ""}${row.title}`;
    element.addEventListener("click", () => this.onChoose(number));
    return element;
  }

  async fetch(page) {
    if (this.asked.has(page)) return;
    this.asked.add(page);
    try {
      const answer = await ask(`/api/tracks?offset=${page * this.page}&limit=${this.page}`);
      answer.rows.forEach((row, index) => this.known.set(answer.offset + index, row));
      this.draw();
    } catch {
      setTimeout(() => {
        this.asked.delete(page);
        this.draw();
      }, 1000);
    }
  }
}
