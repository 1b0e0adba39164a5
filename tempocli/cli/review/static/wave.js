// Draws the waveform: the whole track with its tempo sections, what is around the playhead with the grid, and the
// sections of the song.

import { firstAfter } from "/grid.js";

const SECONDS = 8; // in the upper picture

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function prepared(canvas) {
  const scale = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  return { pen, width, height };
}

export function peaksOf(preview) {
  return Uint8Array.from(atob(preview.peaks), (character) => character.charCodeAt(0));
}

function drawPeaks(pen, peaks, rate, from, to, width, top, height) {
  pen.fillStyle = colour("wave");
  const middle = top + height / 2;
  for (let x = 0; x < width; x++) {
    const first = Math.floor((from + ((to - from) * x) / width) * rate);
    const end = Math.max(first + 1, Math.floor((from + ((to - from) * (x + 1)) / width) * rate));
    let peak = 0;
    for (let index = Math.max(0, first); index < end && index < peaks.length; index++) {
      peak = Math.max(peak, peaks[index]);
    }
    const half = (peak / 255) * (height / 2 - 2);
    if (half > 0) pen.fillRect(x, middle - half, 1, Math.max(1, 2 * half));
  }
}

export function drawZoom(canvas, view) {
  const { pen, width, height } = prepared(canvas);
  if (!view.preview) return;
  const from = Math.max(-1, view.time - SECONDS / 3);
  const to = from + SECONDS;
  const place = (time) => ((time - from) / SECONDS) * width;
  drawPeaks(pen, view.peaks, view.preview.peak_rate, from, to, width, 0, height);
  for (let index = firstAfter(view.grid, from); index < view.grid.length; index++) {
    const { time, down } = view.grid[index];
    if (time > to) break;
    pen.fillStyle = colour(down ? "bar" : "beat");
    pen.fillRect(place(time) - (down ? 1.5 : 0.75), down ? 0 : height * 0.12, down ? 3 : 1.5, down ? height : height * 0.76);
  }
  pen.fillStyle = colour("text");
  pen.fillRect(place(view.time) - 1, 0, 2, height);
}

// Labels beyond the first twelve take the colours again.
function labelColour(label) {
  let number = 0;
  for (const letter of label) number = 26 * number + letter.charCodeAt(0) - 64;
  return `hsl(${((number - 1) % 12) * 137.5} 55% ${colour("label-light")})`;
}

export function drawForm(canvas, view) {
  const { pen, width, height } = prepared(canvas);
  if (!view.preview) return;
  const { duration, form } = view.preview;
  const place = (time) => (time / duration) * width;
  pen.textAlign = "center";
  for (const [start, end, label] of form) {
    const [left, right] = [place(start), place(end)];
    pen.fillStyle = labelColour(label);
    pen.fillRect(left, 0, Math.max(1, right - left - 1), height);
    pen.fillStyle = colour("text");
    if (right - left > 12) pen.fillText(label, (left + right) / 2, height / 2 + 4);
  }
  pen.textAlign = "start";
  pen.fillRect(place(view.time) - 1, 0, 2, height);
}

export function drawWhole(canvas, view) {
  const { pen, width, height } = prepared(canvas);
  if (!view.preview) return;
  const { duration, peak_rate: rate } = view.preview;
  const place = (time) => (time / duration) * width;
  view.sections.forEach(([start, end, bpm], index) => {
    pen.fillStyle = colour(index % 2 ? "section-b" : "section-a");
    pen.fillRect(place(start), 0, place(end) - place(start), height);
    pen.fillStyle = colour("text");
    if (place(end) - place(start) > 52) pen.fillText(`${bpm.toFixed(1)}`, place(start) + 5, 14);
  });
  drawPeaks(pen, view.peaks, rate, 0, duration, width, 18, height - 18);
  pen.fillStyle = colour("text");
  pen.fillRect(place(view.time) - 1, 0, 2, height);
}
