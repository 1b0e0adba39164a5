// Music and clicks on one clock. The music comes in pieces of samples, which are played without gaps.

import { firstAfter } from "/grid.js";

const RATE = 44100;
const HEADER = 44; // bytes of the WAV file before its samples
const PIECE = 8; // seconds
const AHEAD = 10; // seconds of music that are scheduled
const CLICKS_AHEAD = 0.25; // few, since the grid may change
const START = 0.06; // until the first piece is scheduled

export class Player {
  constructor(onEnd, onError) {
    this.context = null;
    this.onEnd = onEnd;
    this.onError = onError;
    this.clicks = true;
    this.grid = [];
    this.position = 0;
    this.playing = false;
    this.run = 0;
    this.sources = new Set();
    setInterval(() => this.scheduleClicks(), 60);
  }

  open(number, duration) {
    this.stop();
    this.number = number;
    this.duration = duration;
    this.position = 0;
  }

  now() {
    if (!this.playing || this.origin === null) return this.position;
    return Math.min(this.duration, Math.max(this.position, this.context.currentTime - this.origin));
  }

  async play() {
    if (this.playing || this.number === undefined) return;
    this.playing = true;
    this.origin = null;
    const run = ++this.run;
    try {
      this.context ??= new AudioContext({ sampleRate: RATE });
      await this.context.resume();
      await this.feed(run);
    } catch (error) {
      if (run !== this.run) return;
      this.stop();
      this.onError(error);
    }
  }

  async feed(run) {
    let time = this.position;
    while (run === this.run && time < this.duration) {
      const samples = await this.fetchPiece(time);
      if (run !== this.run) return;
      if (!samples.length) break;
      // A piece that comes too late moves the origin, so that music and clicks stay together.
      const soonest = this.context.currentTime + START;
      if (this.origin === null || this.origin + time < soonest - START / 2) this.origin = soonest - time;
      this.nextClick = this.nextClick ?? time;
      this.start(samples, this.origin + time);
      time += samples.length / RATE;
      while (run === this.run && this.origin + time - this.context.currentTime > AHEAD) await sleep(200);
    }
    while (run === this.run && this.now() < this.duration - 0.02 && this.now() < time - 0.02) await sleep(100);
    if (run === this.run) {
      this.stop();
      this.position = 0;
      this.onEnd();
    }
  }

  async fetchPiece(time) {
    const first = HEADER + 2 * Math.round(time * RATE);
    const range = `bytes=${first}-${first + 2 * PIECE * RATE - 1}`;
    const answer = await fetch(`/api/sound?number=${this.number}`, { headers: { Range: range } });
    if (answer.status === 416) return new Float32Array(0);
    if (answer.status !== 206) throw new Error("the sound cannot be fetched");
    return Float32Array.from(new Int16Array(await answer.arrayBuffer()), (value) => value / 32768);
  }

  start(samples, when) {
    const buffer = this.context.createBuffer(1, samples.length, RATE);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.context, { buffer });
    const gain = new GainNode(this.context, { gain: this.clicks ? 0.7 : 1 });
    source.connect(gain).connect(this.context.destination);
    source.start(when);
    this.sources.add(source);
    source.onended = () => this.sources.delete(source);
  }

  setGrid(grid) {
    this.grid = grid;
  }

  scheduleClicks() {
    if (!this.playing || this.origin === null) return;
    const end = this.context.currentTime - this.origin + CLICKS_AHEAD;
    for (let index = firstAfter(this.grid, this.nextClick); index < this.grid.length; index++) {
      const { time, down } = this.grid[index];
      if (time >= end) break;
      if (this.clicks) this.click(this.origin + time, down);
    }
    this.nextClick = Math.max(this.nextClick, end);
  }

  click(when, down) {
    if (when < this.context.currentTime) return;
    const tone = new OscillatorNode(this.context, { frequency: down ? 1600 : 1000 });
    const gain = new GainNode(this.context, { gain: 0 });
    gain.gain.setValueAtTime(0.5, when);
    gain.gain.exponentialRampToValueAtTime(0.001, when + 0.04);
    tone.connect(gain).connect(this.context.destination);
    tone.start(when);
    tone.stop(when + 0.05);
    this.nClicks = (this.nClicks ?? 0) + 1;
    document.body.dataset.clicks = this.nClicks;
  }

  stop() {
    this.position = this.now();
    this.playing = false;
    this.run++;
    this.nextClick = undefined;
    for (const source of this.sources) source.stop();
    this.sources.clear();
  }

  seek(time) {
    const wasPlaying = this.playing;
    this.stop();
    this.position = Math.max(0, Math.min(this.duration - 0.1, time));
    if (wasPlaying) this.play();
  }
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
