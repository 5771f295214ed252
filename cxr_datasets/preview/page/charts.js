"use strict";

// The figures: tables whose numbers are text, with bars for the eye, and histograms. All text is
// put in as text, never as markup.

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const number = (value) => value.toLocaleString("en-US");
const percent = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "\u2013");
const plural = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;
const stateClass = (state) => `state-${state.key}`;

// A bar of parts, each with its class; `whole` is the width of all of it.
function bar(parts, whole) {
  const drawn = svg("svg", {
    class: "bar", viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true",
  });
  let x = 0;
  for (const [value, name] of parts) {
    const width = whole ? (1000 * value) / whole : 0;
    drawn.append(svg("rect", { x, width, height: 10, class: name }));
    x += width;
  }
  return drawn;
}

function table(caption, header, rows) {
  return el("table", {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...header.map((cell) => el("th", { scope: "col" }, cell)))),
    el("tbody", {}, ...rows));
}

// A row: the name, a share beside it, and a bar beneath; then its numbers.
function row(name, share, drawn, numbers) {
  const head = el("div", { class: "head" }, el("span", {}, name), el("span", { class: "share" }, share));
  return el("tr", {},
    el("th", { scope: "row" }, head, drawn),
    ...numbers.map((value) => el("td", {}, typeof value === "number" ? number(value) : value)));
}

function panel(title, note, ...content) {
  const id = `figure-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return el("section", { class: "panel", "aria-labelledby": id },
    el("h2", { id }, title), note && el("p", { class: "muted" }, note), ...content);
}

// What is counted: rows of config `reports` have no images.
function kinds(meta) {
  const all = [["images", "image"], ["studies", "study"], ["patients", "patient"]];
  return meta.hasImages ? all : all.slice(1);
}

function drawFigures(meta, found) {
  const sources = meta.sources.map((name, source) => prevalence(meta, found, name, source));
  return [
    splits(meta, found),
    ...(meta.hasImages ? [views(meta, found)] : []),
    ...(meta.gaps.length ? [gaps(meta, found)] : []),
    ...sources,
    ...(meta.sources.length > 1 ? [agreement(meta, found)] : []),
    lengths(meta, found),
    missing(meta, found),
  ];
}

function splits(meta, found) {
  const names = kinds(meta).map(([kind]) => kind);
  const [first] = names;
  const rows = meta.splits.map((name, split) => {
    const counts = found.splits[split];
    return row(name, percent(counts[first], found[first]), bar([[counts[first], "plain"]], found[first]),
      names.map((kind) => counts[kind]));
  });
  const all = row("all", "", "", names.map((kind) => found[kind]));
  all.className = "all";
  return panel("Splits", null,
    table(`${names.join(", ")} of each split`, ["split", ...names], [...rows, all]));
}

function views(meta, found) {
  const rows = meta.views.map((name, view) => {
    const images = found.views[view];
    return row(name, percent(images, found.images), bar([[images, "plain"]], found.images), [images]);
  });
  return panel("Views", null, table("Images of each view", ["view", "images"], rows));
}

function prevalence(meta, found, source, place) {
  const labelled = found.studies - found.unlabelled[place];
  const rows = meta.labels.map((label, one) => {
    const counts = found.states[place][one];
    const drawn = bar(meta.states.map((state) => [counts[state.code], stateClass(state)]), labelled);
    const numbers = meta.states.map((state) => counts[state.code]);
    return row(label, percent(counts[POSITIVE], labelled), drawn, numbers);
  });
  const header = ["label", ...meta.states.map(stateHead)];
  const note = `${plural(labelled, "study has", "studies have")} labels of this source, `
    + `${number(found.unlabelled[place])} not. The share is that of positive.`;
  return panel(`Label prevalence: ${source}`, note, table("Studies by the state of each label", header, rows));
}

function stateHead(state) {
  return el("span", { class: `state ${stateClass(state)}` },
    el("span", { class: "sign", "aria-hidden": "true" }, state.sign),
    el("span", { class: "word" }, state.name));
}

// A name that may be broken after each `_`.
function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part) => [part, el("wbr")]);
}

function agreement(meta, found) {
  const cell = (states) => {
    const { same, both, kappa } = agreementOf(states);
    const more = both ? `${number(both)}, \u03ba ${Number.isNaN(kappa) ? "\u2013" : kappa.toFixed(2)}` : "0";
    return el("td", {}, percent(same, both), bar([[same, "plain"]], both),
      el("div", { class: "muted" }, more));
  };
  const rows = meta.labels.map((label, one) => el("tr", {}, el("th", { scope: "row" }, label),
    ...found.agreement.map((labels) => cell(labels[one]))));
  const header = ["label", ...pairs(meta.sources.length).map(([a, b]) =>
    el("span", {}, ...breakable(meta.sources[a]), " = ", ...breakable(meta.sources[b])))];
  return panel("Agreement of sources",
    "Of the studies for which two sources tell a label, the share with the same state; beneath it "
    + "their number, and Cohen's kappa (\u03ba), which leaves out agreement by chance.",
    table("Studies with the same state in two sources", header, rows));
}

function lengths(meta, found) {
  const drawn = meta.texts.map((text, place) => {
    const [absent, ...bins] = found.lengths[place];
    const studies = bins.reduce((sum, value) => sum + value, 0);
    return el("figure", {},
      el("figcaption", {},
        el("strong", {}, text.name),
        el("span", {}, studies ? ` median ${median(text, bins, studies)} ${text.unit}` : " no text")),
      histogram(text, bins),
      el("p", { class: "muted" }, `${plural(studies, "study", "studies")}, ${number(absent)} without`));
  });
  return panel("Lengths of texts", null, el("div", { class: "small-multiples" }, ...drawn));
}

// Exact where a bin is one wide; else the middle of its bin.
function median(text, bins, studies) {
  let left = studies / 2;
  const bin = bins.findIndex((value) => (left -= value) <= 0);
  const middle = number(bin * text.width + (text.width - 1) / 2);
  return bin === bins.length - 1 ? `over ${number(bin * text.width)}` : middle;
}

const COLUMNS = 32;

function histogram(text, bins) {
  const used = bins.findLastIndex((value) => value > 0) + 1;
  const each = Math.max(1, Math.ceil(used / COLUMNS));
  const sums = zeros(Math.max(1, Math.ceil(used / each)));
  bins.forEach((value, bin) => { if (value) sums[Math.floor(bin / each)] += value; });
  const most = Math.max(1, ...sums);
  const drawn = svg("svg", {
    class: "histogram", viewBox: `0 0 ${sums.length} 100`, preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  sums.forEach((value, x) => {
    const height = (100 * value) / most;
    drawn.append(svg("rect", { x, y: 100 - height, width: 0.88, height, class: "plain" }));
  });
  const open = used === bins.length ? " or more" : "";
  const end = open ? (bins.length - 1) * text.width : sums.length * each * text.width;
  return el("div", {}, drawn,
    el("div", { class: "axis muted" }, el("span", {}, "0"), el("span", {}, number(end) + open)));
}

function missing(meta, found) {
  const lines = [];
  const whole = [];
  for (const [kind, total] of [["study", found.studies], ["image", found.images]]) {
    meta.missing[kind].forEach((name, column) => {
      const absent = found.missing[kind][column];
      if (absent) lines.push({ name, absent, total, kind });
      else whole.push(name);
    });
  }
  lines.sort((a, b) => b.absent / b.total - a.absent / a.total);
  const rows = lines.map(({ name, absent, total, kind }) =>
    row(name, percent(absent, total), bar([[absent, "plain"]], total),
      [absent, plural(total, kind, kind === "study" ? "studies" : "images")]));
  return panel("Missing values", whole.length ? `Never missing: ${whole.join(", ")}.` : null,
    rows.length ? table("Values that are null", ["column", "missing", "of"], rows) : "");
}

function gaps(meta, found) {
  const [firsts, ...counts] = found.gaps;
  const sum = counts.reduce((total, value) => total + value, 0);
  const rows = counts.map((value, gap) => row(meta.gaps[gap + 1], percent(value, sum),
    bar([[value, "plain"]], sum), [value]));
  return panel("Gaps between studies of a patient",
    `Since the patient's study before. ${plural(firsts, "study has", "studies have")} none before, `
    + "or no date.",
    table("Studies by the time since the one before", ["time", "studies"], rows));
}
