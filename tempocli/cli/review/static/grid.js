// The grid that is heard and drawn: the beats that were found, at the tempo that a person chose.

const RATIOS = [1, 2, 1 / 2, 3, 1 / 3, 3 / 2, 2 / 3, 4 / 3, 3 / 4, 4, 1 / 4];
const NEAR = 0.03;

// The simple ratio of a tempo to that of the beats, or null.
export function ratioOf(bpm, base) {
  return RATIOS.find((ratio) => Math.abs(bpm / base / ratio - 1) < NEAR) ?? null;
}

// A tapped tempo is taken for a simple ratio of the estimate if it is near one.
export function snapped(bpm, base) {
  const ratio = base ? ratioOf(bpm, base) : null;
  return ratio === null ? bpm : base * ratio;
}

// Return [{time, down}] in time order. `shift` moves the bar by beats, `anchor` is a time on the grid or null.
export function makeGrid(preview, bpm, shift, anchor) {
  if (!bpm) return [];
  const metre = Math.max(2, ...preview.positions.slice(0, 64)) || 4;
  const ratio = anchor === null && preview.bpm ? ratioOf(bpm, preview.bpm) : null;
  if (ratio === null || preview.beats.length < 2) {
    return evenGrid(preview, bpm, shift, anchor, preview.beats.length ? metre : 4);
  }
  return warpedGrid(preview, ratio, shift, metre);
}

function evenGrid(preview, bpm, shift, anchor, metre) {
  const period = 60 / bpm;
  const start = (anchor ?? preview.beats[0] ?? 0) + shift * period;
  const grid = [];
  for (let k = Math.ceil(-start / period); start + k * period < preview.duration; k++) {
    grid.push({ time: start + k * period, down: k % metre === 0 });
  }
  return grid;
}

// The beats define a time for each count; a grid at another ratio takes other counts, so it follows the music.
function warpedGrid(preview, ratio, shift, metre) {
  const { beats, positions } = preview;
  if (ratio === 1 && shift === 0) {
    return beats.map((time, index) => ({ time, down: positions[index] === 1 }));
  }
  // A shift is by a beat that is heard; at half the tempo by one that is not, to choose the other beats.
  const first = Math.max(0, positions.indexOf(1)) + shift / Math.max(1, ratio);
  const last = beats.length - 1;
  const grid = [];
  for (let k = Math.ceil(-first * ratio); ; k++) {
    const count = first + k / ratio;
    if (count > last) return grid;
    const whole = Math.min(Math.floor(count), last - 1);
    const time = beats[whole] + (count - whole) * (beats[whole + 1] - beats[whole]);
    grid.push({ time, down: k % metre === 0 });
  }
}

// The index of the first beat at or after a time.
export function firstAfter(grid, time) {
  let low = 0;
  let high = grid.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (grid[middle].time < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
