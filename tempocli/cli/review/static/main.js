// The page: keys, the track that is shown, and what is done with it.

import { makeGrid, snapped } from "/grid.js";
import { TrackList } from "/list.js";
import { Player } from "/sound.js";
import { ask, Store } from "/store.js";
import { drawForm, drawWhole, drawZoom, peaksOf } from "/wave.js";

const $ = (id) => document.getElementById(id);
const EDIT = { bpm: null, shift: 0, anchor: null, typed: "", taps: [] };
const TAP_PAUSE = 2500; // milliseconds, after which tapping begins anew

// `at` is the track that is shown or being fetched; `track` is null until it is there.
const state = { info: null, at: -1, leaving: false, track: null, preview: null, peaks: null, grid: [], edit: { ...EDIT }, opening: 0 };

const list = new TrackList($("list"), $("rows"), (number) => open(number));
const player = new Player(() => say("The end."), (error) => say(error.message, true));
const store = new Store({ onChange, onLost, onConflict });

const KEYS = [
  ["Space", " ", "play, stop", () => (player.playing ? player.stop() : player.play())],
  ["Enter", "enter", "accept", accept],
  ["D", "d", "double", () => scale(2)],
  ["H", "h", "half", () => scale(1 / 2)],
  ["R", "r", "3:2, faster", () => scale(3 / 2)],
  ["E", "e", "2:3, slower", () => scale(2 / 3)],
  ["B", "b", "shift a beat", shift],
  ["T", "t", "tap", tap],
  ["0–9", null, "type BPM", null],
  ["S", "s", "skip", () => openNext()],
  ["U", "u", "undo the last", undo],
  ["C", "c", "clicks on, off", clicks],
  ["O", "o", "as estimated", () => edit({ ...EDIT, bpm: state.track.bpm })],
  ["←", "arrowleft", "5 s back", () => player.seek(player.now() - 5)],
  ["→", "arrowright", "5 s on", () => player.seek(player.now() + 5)],
  ["↑", "arrowup", "track above", () => open(Math.max(0, state.at - 1))],
  ["↓", "arrowdown", "track below", () => open(Math.min(state.info.total - 1, state.at + 1))],
];

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
}

function bpmText(bpm) {
  return bpm === null ? "–" : String(Math.round(bpm * 100) / 100);
}

// --- what the server says

function onChange(value) {
  for (const [number, each] of Object.entries(value.changed)) {
    list.update(Number(number), each);
    if (state.track?.number === Number(number) && each.seen !== state.track.state.seen) {
      state.track.state = each;
      edit({ ...EDIT, bpm: each.bpm ?? state.track.bpm });
    }
  }
  if (state.info) showProgress(value.done);
  if (value.notes?.length) $("note").textContent = value.notes.at(-1);
  list.draw();
  showTrack();
  if (value.undone !== undefined) open(value.undone);
}

function showProgress(done) {
  $("progress").textContent = `${done.toLocaleString("en")} of ${state.info.total.toLocaleString("en")} done`;
  $("bar").max = state.info.total;
  $("bar").value = done;
}

function onLost(reason) {
  $("lost").hidden = reason === null;
  document.body.dataset.lost = reason === null ? "" : "lost";
  if (reason === null) return;
  const n = store.items.length;
  const unsaved = n ? ` ${n} ${n === 1 ? "correction is" : "corrections are"} kept in this page until then.` : "";
  $("lost").textContent = reason + unsaved;
}

function onConflict(item) {
  $("note").textContent =
    item.action === "undo"
      ? "Not undone: another page has changed the track."
      : `Not saved: another page has changed ${item.title}; you said ${bpmText(item.bpm)} BPM.`;
  open(item.number);
}

// --- the track

async function open(number) {
  const opening = ++state.opening;
  const wasPlaying = player.playing;
  player.stop();
  location.replace(`#${number}`);
  list.choose(number);
  Object.assign(state, { at: number, leaving: false, track: null, preview: null, peaks: null, grid: [] });
  delete document.body.dataset.ready;
  showForm();
  try {
    const track = await retried(() => ask(`/api/track?number=${number}`), opening);
    if (opening !== state.opening) return;
    // What this page has not been able to send yet counts for it.
    const kept = store.items.findLast((item) => item.number === number && item.action !== "undo");
    if (kept) track.state = { ...track.state, action: kept.action, bpm: kept.bpm };
    state.track = track;
    edit({ ...EDIT, bpm: track.state.bpm ?? track.bpm });
    document.body.dataset.number = number;
    say("Reading the sound and finding the beats …");
    let preview;
    do preview = await retried(() => ask(`/api/preview?number=${number}`), opening);
    while (preview?.waiting && opening === state.opening);
    if (opening !== state.opening) return;
    state.preview = preview;
    state.peaks = peaksOf(preview);
    player.open(number, preview.duration);
    // Introductions say little of the tempo.
    if (preview.duration > 60) player.seek(preview.duration * 0.25);
    regrid();
    showForm();
    say(preview.beats.length ? "" : "No beats were found; the grid begins at 0 s.");
    document.body.dataset.ready = number;
    if (wasPlaying) player.play();
  } catch (error) {
    if (opening === state.opening) {
      say(error.message, true);
      document.body.dataset.ready = number;
    }
  }
}

// Ask again as long as the server does not answer; what it refuses is an error.
async function retried(request, opening) {
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (error.status === 422 || error.status === 404 || opening !== state.opening) throw error;
      store.lost(error);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      if (opening !== state.opening) throw error;
    }
  }
}

async function openNext() {
  const opening = state.opening;
  const done = new Set(store.items.map((item) => item.number));
  let after = state.at;
  for (let tries = 0; tries <= done.size; tries++) {
    const { number } = await retried(() => ask(`/api/next?after=${after}`), opening);
    if (opening !== state.opening) return;
    if (number === null) {
      say("All tracks are done.");
      return;
    }
    if (!done.has(number)) {
      if (number === state.at) say("This is the last track that is not done.");
      else open(number);
      return;
    }
    after = number;
  }
  say("All tracks are done.");
}

function edit(changes) {
  Object.assign(state.edit, changes);
  regrid();
  showTrack();
}

function regrid() {
  const { bpm, shift: beats, anchor } = state.edit;
  state.grid = state.preview ? makeGrid(state.preview, bpm, beats, anchor) : [];
  player.setGrid(state.grid);
}

// One section alone says nothing.
function showForm() {
  const form = state.preview?.form ?? [];
  $("form").hidden = form.length < 2;
  $("form").setAttribute("aria-label", `Sections of the song: ${form.map(([, , label]) => label).join(" ")}`);
}

function showTrack() {
  const track = state.track;
  if (!track) return;
  $("title").textContent = track.title;
  $("folder").textContent = track.folder;
  const { action, bpm } = track.state;
  $("verdict").textContent = action === "accept" ? "✓ accepted" : action === "correct" ? `✎ corrected to ${bpmText(bpm)}` : "";
  $("bpm").textContent = bpmText(state.edit.bpm);
  $("bpm").classList.toggle("changed", state.edit.bpm !== track.bpm);
  const percent = (value) => `${Math.round(100 * value)} %`;
  $("estimate").textContent = track.bpm === null
    ? `No tempo was found: ${track.reason}.`
    : `Estimated ${bpmText(track.bpm)} BPM, confidence ${percent(track.confidence)}, octave ${percent(track.octave)}.`;
  $("candidates").replaceChildren(...track.candidates.map(([value, share]) => {
    const button = document.createElement("button");
    button.textContent = `${bpmText(value)} · ${percent(share)}`;
    button.addEventListener("click", () => edit({ ...EDIT, bpm: value }));
    return button;
  }));
  $("typed").hidden = state.edit.typed === "";
  $("typed").textContent = `${state.edit.typed} – Enter`;
}

// --- what a person does

function scale(factor) {
  const bpm = state.edit.bpm * factor;
  if (state.edit.bpm === null) say("There is no tempo yet: tap, or type a number.", true);
  else if (bpm < 10 || bpm > 999) say("That is out of 10 to 999 BPM.", true);
  else edit({ bpm });
}

function shift() {
  edit({ shift: state.edit.shift + 1 });
}

function tap() {
  const now = performance.now();
  const taps = now - (state.edit.taps.at(-1) ?? 0) > TAP_PAUSE ? [now] : [...state.edit.taps, now].slice(-16);
  state.edit.taps = taps;
  if (taps.length < 4) {
    say(`${taps.length} of 4 taps`);
    return;
  }
  const tapped = (60000 * (taps.length - 1)) / (taps.at(-1) - taps[0]);
  if (tapped < 10 || tapped > 999) return;
  const bpm = snapped(tapped, state.track.bpm);
  // A tempo that has nothing to do with the beats that were found gets its grid from the taps.
  const follows = bpm !== tapped;
  say(`${taps.length} taps: ${tapped.toFixed(1)} BPM`);
  edit({ bpm: Math.round(bpm * 100) / 100, shift: 0, anchor: follows || !player.playing ? null : player.now() });
}

function type(key) {
  let typed = state.edit.typed;
  if (key === "backspace") typed = typed.slice(0, -1);
  else if (/^\d{0,3}([.,]\d{0,3})?$/.test(typed + key)) typed += key;
  edit({ typed });
}

function takeTyped() {
  const bpm = Number(state.edit.typed.replace(",", "."));
  if (bpm >= 10 && bpm <= 999) edit({ ...EDIT, bpm });
  else {
    edit({ typed: "" });
    say("Type 10 to 999 BPM.", true);
  }
}

function accept() {
  if (state.edit.typed) return takeTyped();
  const { track, edit: made, grid } = state;
  if (made.bpm === null) return say("There is no tempo yet: tap, or type a number.", true);
  const bpm = Math.round(made.bpm * 1000) / 1000;
  const first = grid.find((beat) => beat.down);
  store.add({
    number: track.number,
    title: track.title,
    action: track.bpm !== null && Math.abs(bpm - track.bpm) < 0.005 ? "accept" : "correct",
    bpm,
    first_beat: first ? track.start + Math.round(first.time * 1000) / 1000 : null,
  });
  // Keys that were meant for the next track must not change this one.
  state.leaving = true;
  return openNext().finally(() => { state.leaving = false; });
}

function undo() {
  const number = store.add({ action: "undo" });
  if (number !== null) open(number);
}

function clicks() {
  player.clicks = !player.clicks;
  say(player.clicks ? "Clicks on" : "Clicks off");
}

function onKey(event) {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if ((!state.track || state.leaving) && !["arrowup", "arrowdown", "u"].includes(key)) return;
  const found = KEYS.find(([, name]) => name === key);
  if (/^[\d.,]$/.test(key) || (key === "backspace" && state.edit.typed)) type(key);
  else if (key === "escape") edit({ typed: "", taps: [] });
  else if (found && !(event.repeat && !key.startsWith("arrow"))) found[3]();
  else return;
  event.preventDefault();
}

function showKeys() {
  $("keys").replaceChildren(...KEYS.map(([shown, , text, action]) => {
    const button = document.createElement("button");
    const cap = document.createElement("kbd");
    cap.textContent = shown;
    button.append(cap, text);
    button.disabled = action === null;
    button.tabIndex = -1; // the key itself does it
    if (action) button.addEventListener("click", () => { if (state.track) action(); button.blur(); });
    return button;
  }));
}

function draw() {
  if (state.track) {
    const view = { preview: state.preview, peaks: state.peaks, grid: state.grid, sections: sections(), time: player.now() };
    drawZoom($("zoom"), view);
    if (!$("form").hidden) drawForm($("form"), view);
    drawWhole($("whole"), view);
  }
  requestAnimationFrame(draw);
}

function sections() {
  return state.track.sections.map(([start, end, bpm]) => [start - state.track.start, end - state.track.start, bpm]);
}

async function begin() {
  showKeys();
  addEventListener("keydown", onKey);
  $("whole").addEventListener("click", (event) => {
    if (state.preview) player.seek((event.offsetX / $("whole").clientWidth) * state.preview.duration);
  });
  $("form").addEventListener("click", (event) => {
    const time = (event.offsetX / $("form").clientWidth) * state.preview.duration;
    const section = state.preview.form.findLast(([start]) => start <= time);
    if (section) player.seek(section[0]);
  });
  for (;;) {
    try {
      state.info = await store.open();
      break;
    } catch (error) {
      store.lost(error);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  $("file").textContent = `${state.info.name} → ${state.info.log}${state.info.tags ? " and tags" : ""}`;
  showProgress(state.info.done);
  list.open(state.info.total, state.info.page);
  const wanted = Number(location.hash.slice(1));
  if (/^#\d+$/.test(location.hash) && wanted < state.info.total) open(wanted);
  else {
    await openNext();
    if (!state.track && !state.opening) open(0);
  }
  requestAnimationFrame(draw);
}

begin();
