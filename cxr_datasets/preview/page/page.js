"use strict";

// The page itself: its filters, and what follows when one changes.

function radios(name, title, options) {
  const made = options.map(([value, ...shown], place) => el("label", {},
    el("input", { type: "radio", name, value, checked: place === 0 }),
    el("span", { class: "choice" }, ...shown)));
  return el("fieldset", {}, el("legend", {}, title), ...made);
}

function choice(name, title, options) {
  return el("label", { class: "choose" }, el("span", {}, title),
    el("select", { name }, ...options.map(([value, shown]) => el("option", { value }, shown))));
}

function drawFilters(meta, form) {
  const numbered = (names) => names.map((name, place) => [place, name]);
  const states = meta.states.map((state) => [state.code, stateHead(state)]);
  const clear = el("button", { type: "reset" }, "Clear");
  form.append(radios("split", "Split", [["", "all"], ...numbered(meta.splits)]));
  if (meta.hasImages) form.append(radios("view", "View", [["", "all"], ...numbered(meta.views)]));
  if (meta.sources.length) {
    form.append(choice("label", "Label", [["", "any"], ...numbered(meta.labels)]),
      radios("state", "State", [["", "all"], ...states]));
  }
  if (meta.sources.length > 1) form.append(choice("source", "Source", numbered(meta.sources)));
  form.append(clear);
}

function chosen(form) {
  const values = new FormData(form);
  const read = (name) => (values.get(name) ? Number(values.get(name)) : null);
  return {
    split: read("split"), view: read("view"), label: read("label"), state: read("state"),
    source: read("source") ?? 0,
  };
}

// Whoever chooses a label wants the studies that have it, until they say another state.
function followLabel(form, event) {
  const isFirst = event.target.name === "label" && event.target.value && !form.elements.state.value;
  if (isFirst) form.elements.state.value = String(POSITIVE);
}

function startTheme(button) {
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const say = () => button.setAttribute("aria-pressed", String(isDark()));
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    say();
  });
  dark.addEventListener("change", say);
  say();
}

async function start() {
  const byId = (id) => document.getElementById(id);
  startTheme(byId("theme"));
  const meta = JSON.parse(byId("meta").textContent);
  const columns = await unpack(byId("columns").textContent.trim(), meta.layout);
  const form = byId("filters");
  const gallery = new Gallery(meta, byId("gallery"), byId("study"));
  const everything = count(meta, columns, { split: null, view: null, state: null, source: 0 });
  const update = () => {
    const filter = chosen(form);
    const found = count(meta, columns, filter);
    byId("figures").replaceChildren(...drawFigures(meta, found));
    byId("shown").textContent = kinds(meta).map(([kind, one]) =>
      `${number(found[kind])} of ${plural(everything[kind], one, kind)}`).join(", ");
    const kept = gallery.show(filter);
    byId("samples-shown").textContent = kept
      ? `${number(kept)} of ${plural(meta.samples.length, "sample", "samples")} shown. They were `
        + "chosen to show every split, view and state, not at random."
      : "No sample fits these filters. The figures count all studies.";
  };
  drawFilters(meta, form);
  form.addEventListener("change", (event) => { followLabel(form, event); update(); });
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
  document.documentElement.dataset.ready = "yes";
}

start();
