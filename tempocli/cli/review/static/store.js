// Talks to the server, and keeps corrections until the server has them on its disk.

export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function answered(answer) {
  const value = await answer.json();
  if (!answer.ok && answer.status !== 409) throw new ServerError(answer.status, value.error);
  return value;
}

export async function ask(path, signal) {
  return answered(await fetch(path, { signal }));
}

// `onChange(answer)` gets what the server says, `onLost(reason)` a reason or null, `onConflict(item)` what was refused.
export class Store {
  constructor({ onChange, onLost, onConflict }) {
    Object.assign(this, { onChange, onLost, onConflict });
    this.items = [];
    this.sending = false;
    this.version = 0;
    this.last = null;
    this.seen = new Map(); // number of a track -> how many rows the file of corrections has of it
  }

  async open() {
    const info = await ask("/api/info");
    this.place = `tempo review ${info.id}`;
    try {
      this.items = JSON.parse(localStorage.getItem(this.place)) ?? [];
    } catch {
      this.items = [];
    }
    this.take(info);
    this.poll();
    return info;
  }

  add(item) {
    if (item.action === "undo" && this.items.length > (this.sending ? 1 : 0)) {
      const last = this.items.at(-1);
      if (last.action !== "undo") {
        this.items.pop();
        this.keep();
        return last.number;
      }
    }
    this.items.push(item);
    this.keep();
    this.flush();
    return null;
  }

  keep() {
    localStorage.setItem(this.place, JSON.stringify(this.items));
    document.body.dataset.unsaved = this.items.length;
  }

  async flush() {
    if (this.sending) return;
    this.sending = true;
    try {
      while (this.items.length) await this.send(this.items[0]);
    } catch (error) {
      this.lost(error);
    } finally {
      this.sending = false;
    }
  }

  async send(item) {
    if (item.action === "undo" && item.number === undefined) {
      if (this.last === null) return this.drop();
      item.number = this.last;
    }
    // Kept, so that an answer that got lost is not taken for a change by somebody else, or undone twice.
    item.seen ??= this.seen.get(item.number) ?? 0;
    this.keep();
    const { number, seen, action, bpm, first_beat } = item;
    const answer = await fetch("/api/act", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ number, seen, action, bpm, first_beat }),
    });
    const value = await answered(answer);
    this.drop();
    const same = value.state.action === action && Math.abs(value.state.bpm - bpm) < 0.002;
    this.seen.set(number, value.state.seen);
    this.take({ ...value, changed: { ...value.changed, [number]: value.state } });
    if (value.conflict && !same) this.onConflict(item);
    else if (action === "undo") this.onChange({ ...value, undone: number });
  }

  drop() {
    this.items.shift();
    this.keep();
  }

  take(value) {
    for (const [number, state] of Object.entries(value.changed)) this.seen.set(Number(number), state.seen);
    this.version = value.version;
    this.last = value.last;
    this.onLost(null);
    this.onChange(value);
  }

  lost(error) {
    if (error instanceof ServerError && error.status === 403) {
      this.onLost("The server was started anew: open the address that tempo review has printed.");
    } else if (error instanceof ServerError) {
      this.onLost(`The server cannot save: ${error.message}. Trying again …`);
    } else {
      this.onLost("The server does not answer. Trying again …");
    }
  }

  async poll() {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      try {
        const value = await ask(`/api/changes?since=${this.version}`, AbortSignal.timeout(15000));
        if (this.items.length) this.flush();
        // What is being sent has its own answer; an older one must not overwrite it.
        else if (value.version >= this.version) this.take(value);
      } catch (error) {
        this.lost(error);
      }
    }
  }
}
