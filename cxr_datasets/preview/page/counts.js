"use strict";

// What the page counts. `meta` names everything; the numbers are columns of typed arrays: some have
// a value for each study, in the order of the patients, some one for each image of these studies.

const NOT_MENTIONED = 0, POSITIVE = 1;
// The states of a study are one number: two bits a label, and this one if a source has none of it.
const UNLABELLED = 1 << 28;
const ARRAYS = { 1: Uint8Array, 4: Uint32Array };

// Several columns of one kind, such as `states 0` and `states 1`, come as a list of their name.
async function unpack(base64, layout) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const columns = {};
  let offset = 0;
  for (const [name, width, length] of layout) {
    const values = new ARRAYS[width](buffer, offset, length);
    const [kind, place] = name.split(/ (?=\d)/);
    if (place === undefined) columns[name] = values;
    else (columns[kind] ??= []).push(values);
    offset += width * length;
  }
  return columns;
}

function stateOf(states, label) {
  return (states >>> (2 * label)) & 3;
}

// Whether a study's states pass: of one label, or of any label if none is chosen.
function hasState(states, { label, state }) {
  if (state === null) return true;
  if (states & UNLABELLED) return false;
  if (label !== null) return stateOf(states, label) === state;
  for (let one = 0; one < 14; one++) if (stateOf(states, one) === state) return true;
  return false;
}

function keepsImage(split, view, filter) {
  return (filter.split === null || filter.split === split)
    && (filter.view === null || filter.view === view);
}

const zeros = (length) => new Array(length).fill(0);

function noFigures(meta) {
  const kinds = ["images", "studies", "patients"];
  return {
    ...Object.fromEntries(kinds.map((kind) => [kind, 0])),
    splits: meta.splits.map(() => Object.fromEntries(kinds.map((kind) => [kind, 0]))),
    views: zeros(meta.views.length),
    states: meta.sources.map(() => meta.labels.map(() => zeros(4))),
    unlabelled: zeros(meta.sources.length),
    agreement: pairs(meta.sources.length).map(() => meta.labels.map(() => zeros(16))),
    lengths: meta.texts.map((text) => zeros(text.bins)),
    missing: { image: zeros(meta.missing.image.length), study: zeros(meta.missing.study.length) },
    gaps: zeros(meta.gaps.length),
  };
}

function pairs(count) {
  const found = [];
  for (let a = 0; a < count; a++) for (let b = a + 1; b < count; b++) found.push([a, b]);
  return found;
}

// Counts the images that pass, the studies that have one of them, and the patients that have one
// of these.
function count(meta, columns, filter) {
  const found = noFigures(meta);
  const chosen = columns.states?.[filter.source];
  const last = meta.splits.map(() => -1);
  let lastOfAll = -1, patient = -1, image = 0;
  for (let study = 0; study < columns.images.length; study++) {
    patient += columns.begins[study];
    const end = image + columns.images[study];
    if (!chosen || hasState(chosen[study], filter)) {
      const splits = countImages(found, columns, filter, image, end);
      if (splits) {
        countStudy(found, columns, study);
        found.patients += patient !== lastOfAll;
        lastOfAll = patient;
      }
      for (let split = 0; split < last.length; split++) {
        if (!(splits & (1 << split))) continue;
        found.splits[split].studies++;
        found.splits[split].patients += patient !== last[split];
        last[split] = patient;
      }
    }
    image = end;
  }
  return found;
}

function countImages(found, columns, filter, begin, end) {
  let splits = 0;
  for (let image = begin; image < end; image++) {
    const split = columns.split[image], view = columns.view[image];
    if (!keepsImage(split, view, filter)) continue;
    splits |= 1 << split;
    found.images++;
    found.splits[split].images++;
    found.views[view]++;
    countNulls(found, columns, "image", image);
  }
  return splits;
}

function countStudy(found, columns, study) {
  found.studies++;
  let pair = 0;
  for (let a = 0; a < found.states.length; a++) {
    const one = columns.states[a][study];
    if (one & UNLABELLED) found.unlabelled[a]++;
    else countStates(found.states[a], one);
    for (let b = a + 1; b < found.states.length; b++, pair++) {
      const other = columns.states[b][study];
      if (!((one | other) & UNLABELLED)) countBoth(found.agreement[pair], one, other);
    }
  }
  for (let text = 0; text < found.lengths.length; text++) {
    found.lengths[text][columns.length[text][study]]++;
  }
  countNulls(found, columns, "study", study);
  if (columns.gap) found.gaps[columns.gap[study]]++;
}

function countStates(labels, states) {
  for (let label = 0; label < 14; label++) labels[label][stateOf(states, label)]++;
}

function countBoth(labels, one, other) {
  for (let label = 0; label < 14; label++) {
    labels[label][4 * stateOf(one, label) + stateOf(other, label)]++;
  }
}

// The columns that are null in a row are bits of its numbers, 31 columns in each.
function countNulls(found, columns, kind, place) {
  const counts = found.missing[kind];
  for (let first = 0; first < counts.length; first += 31) {
    let bits = columns[`missing ${kind}`][first / 31][place];
    while (bits) {
      const bit = 31 - Math.clz32(bits);
      counts[first + bit]++;
      bits ^= 1 << bit;
    }
  }
}

// How far two sources agree on a label, over the studies of which both tell it: the share with the
// same state, and Cohen's kappa of three states. `states` counts each pair of states.
function agreementOf(states) {
  const told = [1, 2, 3];
  const sum = (pairs) => pairs.reduce((all, [a, b]) => all + states[4 * a + b], 0);
  const both = sum(told.flatMap((a) => told.map((b) => [a, b])));
  const same = sum(told.map((a) => [a, a]));
  const chance = told.reduce((all, a) =>
    all + sum(told.map((b) => [a, b])) * sum(told.map((b) => [b, a])), 0) / (both * both);
  return { same, both, kappa: chance < 1 ? (same / both - chance) / (1 - chance) : NaN };
}
