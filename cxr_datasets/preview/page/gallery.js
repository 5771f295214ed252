"use strict";

// The sample studies: cards that arrow keys go through, and one study in full.

function sampleImages(sample, filter) {
  return sample.images.filter((image) => keepsImage(image.split, image.view, filter));
}

function sampleKept(sample, filter) {
  const states = sample.states[filter.source];
  return (states === undefined || hasState(states, filter)) && sampleImages(sample, filter).length > 0;
}

function chip(state, label) {
  return el("li", { class: `chip ${stateClass(state)}` },
    el("span", { class: "sign", "aria-hidden": "true" }, state.sign), " ", label,
    el("span", { class: "hidden" }, `: ${state.name}`));
}

// The labels of a study that are mentioned, the positive ones first.
function chips(meta, states) {
  if (states === undefined || states & UNLABELLED) return el("p", { class: "muted" }, "no labels");
  const found = meta.states.filter((state) => state.code !== NOT_MENTIONED).flatMap((state) =>
    meta.labels.filter((_, label) => stateOf(states, label) === state.code)
      .map((label) => chip(state, label)));
  return found.length ? el("ul", { class: "chips" }, ...found)
    : el("p", { class: "muted" }, "no label is mentioned");
}

function picture(meta, image, name) {
  if (!meta.hasImages) return null;
  if (!image.src) return el("div", { class: "no-image" }, "no image");
  return el("img", { src: image.src, alt: name, width: image.width, height: image.height });
}

function card(meta, sample, filter) {
  const [image] = sampleImages(sample, filter);
  const views = meta.hasImages ? sample.images.map((one) => meta.views[one.view]) : [];
  const button = el("button", { type: "button", class: "card", tabindex: -1, "aria-haspopup": "dialog" },
    picture(meta, image, `${meta.views[image.view]} image`),
    el("span", { class: "card-title" }, `Study ${sample.study}`),
    el("span", { class: "muted" }, [meta.splits[image.split], views.join(", ")].filter(Boolean).join(" \u00b7 ")));
  return el("li", {}, button, chips(meta, sample.states[filter.source]));
}

class Gallery {
  constructor(meta, list, dialog) {
    Object.assign(this, { meta, list, dialog, kept: [], at: 0, inFull: 0 });
    list.addEventListener("keydown", (event) => this.move(event));
    list.addEventListener("focusin", (event) => {
      const at = this.cards().indexOf(event.target);
      if (at >= 0) this.mark(at);
    });
    list.addEventListener("click", (event) => {
      const at = this.cards().indexOf(event.target.closest("button"));
      if (at >= 0) this.open(at);
    });
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && !event.altKey && !event.ctrlKey && !event.metaKey) this.step(step);
    });
    // The browser itself goes back to the card that was opened first.
    dialog.addEventListener("close", () => this.cards()[this.inFull]?.focus());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }

  cards() {
    return [...this.list.querySelectorAll("button.card")];
  }

  show(filter) {
    this.filter = filter;
    this.kept = this.meta.samples.filter((sample) => sampleKept(sample, filter));
    this.list.replaceChildren(...this.kept.map((sample) => card(this.meta, sample, filter)));
    this.mark(0);
    return this.kept.length;
  }

  // Tab enters the gallery once; arrow keys go on from there.
  mark(at) {
    this.at = at;
    this.cards().forEach((one, place) => { one.tabIndex = place === at ? 0 : -1; });
  }

  move(event) {
    const cards = this.cards();
    const to = this.target(event.key, cards);
    if (to === undefined) return;
    event.preventDefault();
    cards[to].focus();
  }

  // The card that a key leads to; there may be none in that direction.
  target(key, cards) {
    const last = cards.length - 1;
    const top = (card) => card.getBoundingClientRect().top;
    const columns = cards.filter((card) => Math.abs(top(card) - top(cards[0])) < 4).length;
    const inLastRow = Math.floor(this.at / columns) === Math.floor(last / columns);
    const targets = {
      ArrowLeft: Math.max(0, this.at - 1),
      ArrowRight: Math.min(last, this.at + 1),
      ArrowUp: this.at < columns ? this.at : this.at - columns,
      ArrowDown: inLastRow ? this.at : Math.min(last, this.at + columns),
      Home: 0,
      End: last,
    };
    return targets[key];
  }

  open(at) {
    this.mark(at);
    this.draw();
    this.dialog.showModal();
    this.dialog.querySelector("h2").focus();
  }

  step(by) {
    const at = this.at + by;
    if (at < 0 || at >= this.kept.length) return;
    this.mark(at);
    this.draw();
    this.dialog.querySelector("h2").focus();
  }

  draw() {
    this.inFull = this.at;
    const sample = this.kept[this.at];
    const button = (text, act, off) => {
      const made = el("button", { type: "button", disabled: off }, text);
      made.addEventListener("click", act);
      return made;
    };
    this.dialog.replaceChildren(
      el("div", { class: "study-head" },
        el("h2", { id: "study-title", tabindex: -1 }, `Study ${sample.study}`),
        button("\u2190 Before", () => this.step(-1), this.at === 0),
        button("Next \u2192", () => this.step(1), this.at === this.kept.length - 1),
        button("Close (Esc)", () => this.dialog.close(), false)),
      el("p", { class: "muted" }, `Patient ${sample.patient}`
        + (sample.when ? ` \u00b7 ${sample.when}` : "")
        + (sample.who ? ` \u00b7 ${sample.who}` : "")
        + ` \u00b7 ${this.at + 1} of ${plural(this.kept.length, "study", "studies")}`),
      inFull(this.meta, sample));
    this.dialog.scrollTop = 0;
  }
}

function inFull(meta, sample) {
  const images = sample.images.map((image) => el("figure", {},
    picture(meta, image, `${meta.views[image.view]} image`),
    el("figcaption", {}, el("strong", {}, meta.views[image.view]), ` \u00b7 ${meta.splits[image.split]}`,
      el("br"), el("span", { class: "muted" }, image.id))));
  const earlier = sample.earlier.map((image) => el("figure", { class: "earlier" },
    picture(meta, image, `Earlier ${meta.views[image.view]} image`),
    el("figcaption", {}, el("strong", {}, `${image.days} days before`),
      el("br"), el("span", { class: "muted" }, image.id))));
  return el("div", { class: "study-body" },
    meta.hasImages
      ? el("section", { class: "images", "aria-label": "Images" }, ...images, ...earlier)
      : null,
    el("section", { "aria-labelledby": "study-labels" },
      el("h3", { id: "study-labels" }, "Labels"), allStates(meta, sample)),
    el("section", { class: "texts", "aria-labelledby": "study-texts" },
      el("h3", { id: "study-texts" }, "Texts"), ...texts(meta, sample)));
}

function allStates(meta, sample) {
  if (!meta.sources.length) return el("p", { class: "muted" }, "no labels");
  const cell = (states, label) => {
    if (states & UNLABELLED) return el("td", { class: "muted" }, "no labels");
    const state = meta.states.find(({ code }) => code === stateOf(states, label));
    return el("td", {}, stateHead(state));
  };
  const headed = meta.sources.map((name) => el("span", {}, ...breakable(name)));
  const rows = meta.labels.map((label, one) => el("tr", {},
    el("th", { scope: "row" }, label), ...sample.states.map((states) => cell(states, one))));
  return table("The state of each label in each source", ["label", ...headed], rows);
}

// The whole report; its sections say the same again, so they are folded.
function texts(meta, sample) {
  if (!sample.texts.length) return [el("p", { class: "muted" }, "no text")];
  const shown = ([name, text]) => el("div", {}, el("h4", {}, name), marked(meta, text));
  const [whole, ...sections] = sample.texts;
  return [shown(whole), sections.length
    ? el("details", {}, el("summary", {}, `${plural(sections.length, "section", "sections")} as parsed`),
      ...sections.map(shown)) : ""];
}

// A text whose marks of de-identification are dimmed.
function marked(meta, text) {
  const parts = text.split(new RegExp(`(${meta.mark})`)).map((part, place) =>
    (place % 2 ? el("span", { class: "removed" }, part) : document.createTextNode(part)));
  return el("p", { class: "text" }, ...parts);
}
