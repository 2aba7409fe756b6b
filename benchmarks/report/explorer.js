// The explorer: problems and the answers to them, step by step. What the data are, explorer.py says.
"use strict";
(() => {
const LARGEST = 126, NOT_FINITE = -128, ZERO = 128, PARTS = 254, LOST = 255;
const CANVAS = 480;  // pixels across, about, so that there is room for a mark in every entry
const WIDER = 0.1;  // answers that are right but for a little are not beyond the colours
const NOTHING = 1e-6;  // an error so much smaller than the start's is drawn as none

// Colours that those who see fewer of them can tell apart too: viridis, and two of ColorBrewer.
const COLOURS = {
  sequential: "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
  diverging: "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f",
  errors: "fcfbfd efedf5 dadaeb bcbddc 9e9ac8 807dba 6a51a3 54278f 3f007d",
};
for (const name in COLOURS) {
  COLOURS[name] = COLOURS[name].split(" ").map(
    (hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
}

const data = JSON.parse(document.getElementById("data").textContent);
const at = Object.fromEntries(
  ["controls", "task", "case", "method", "problem", "step", "now", "pictures", "curves", "legend"]
    .map((id) => [id, document.getElementById(id)]));

/** A number as it is shown. */
function shown(number, digits = 4) {
  if (number === null) return "not finite";
  const rounded = Number(number.toPrecision(digits)), size = Math.abs(rounded);
  return size >= 1e6 || (size && size < 1e-4) ? rounded.toExponential() : String(rounded);
}

const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/** A new element; attributes by name, children in order. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// ---- colours

/** Of a place from 0 to 1 in a row of colours. */
function colour(colours, place) {
  const along = place * (colours.length - 1);
  const left = Math.min(Math.floor(along), colours.length - 2), share = along - left;
  return colours[left].map((part, i) => part + share * (colours[left + 1][i] - part));
}

/** Colours for values of a range, widened by a share of it; those of both signs have 0 in the middle. */
function valueScale([least, most], share = 0) {
  const more = share * (most - least), low = least - more, high = most + more;
  if (least >= 0) return {low, middle: (low + high) / 2, high, colours: COLOURS.sequential};
  const far = Math.max(-low, high);
  return {low: -far, middle: 0, high: far, colours: COLOURS.diverging};
}

/** One entry: its colour, and a mark where that does not say what it is. */
function cell(value, scale) {
  if (Number.isNaN(value)) return {rgb: [128, 128, 128], mark: "lost"};
  const place = (value - scale.low) / (scale.high - scale.low);
  const rgb = colour(scale.colours, Math.min(1, Math.max(0, place)));
  const rounding = 1 / PARTS;
  return {rgb, mark: place > 1 + rounding ? "above" : place < -rounding ? "below" : null};
}

// ---- pictures

/** What there is to see of a problem at a step: a title and the cells of each picture. */
function pictures(chosen, line, problem, index) {
  const inputScale = valueScale(chosen.inputRange), scale = valueScale(chosen.range, WIDER);
  const reach = chosen.range[1] - chosen.range[0];
  const picture = (number, [low, high]) =>
    Array.from(bytes(chosen.pictures[number]),
      (code) => code === LOST ? NaN : low + code / PARTS * (high - low));
  const target = picture(problem.target, chosen.range);
  const codes = Array.from(
    bytes(problem.answers).subarray(index * target.length, (index + 1) * target.length),
    (code) => code - ZERO);
  const answer = codes.map((code, i) => {
    if (code === NOT_FINITE) return NaN;
    if (Math.abs(code) > LARGEST) return Math.sign(code) * Infinity;
    return target[i] + Math.sign(code) * reach * (code / LARGEST) ** 2;
  });
  const errorScale = {low: 0, middle: reach / 4, high: reach, colours: COLOURS.errors};
  const errors = codes.map((code) => code === NOT_FINITE
    ? {rgb: [128, 128, 128], mark: "lost"}
    : {rgb: colour(COLOURS.errors, Math.min(1, Math.abs(code) / LARGEST)),
       mark: Math.abs(code) > LARGEST ? "above" : null});
  const cells = (values, within) => values.map((value) => cell(value, within));
  const inputs = problem.inputs.map((number, i) => ({
    id: `input-${i}`,
    title: problem.inputs.length > 1 ? `Input ${i + 1}` : "Input",
    cells: cells(picture(number, chosen.inputRange), inputScale),
    scale: inputScale,
  }));
  return [
    ...inputs,
    {id: "answer", title: `Answer at step ${problem.steps[index]}`, cells: cells(answer, scale), scale},
    {id: "target", title: "Target", cells: cells(target, scale), scale},
    {id: "error", title: "|Answer - target|", cells: errors, scale: errorScale},
  ];
}

/** How many entries have a mark, and why. */
function marked(cells) {
  const reasons = {"beyond the colours": ["above", "below"], "not finite": ["lost"]};
  return Object.entries(reasons)
    .map(([reason, marks]) => [reason, cells.filter(({mark}) => marks.includes(mark)).length])
    .filter(([, count]) => count)
    .map(([reason, count]) => `${count} of ${cells.length} entries ${reason}`)
    .join(", ");
}

/** A heat map with its title and its colour bar. */
function heatMap({id, title, cells, scale}, side) {
  const note = marked(cells);
  const rows = Math.ceil(cells.length / side), one = Math.max(12, Math.round(CANVAS / side));
  const canvas = element("canvas", {
    id: `map-${id}`, class: "map", role: "img", width: side * one, height: rows * one,
    "aria-label": `${title}, ${rows} by ${side} entries. ${note}`,
  });
  const context = canvas.getContext("2d");
  cells.forEach((each, i) => draw(context, each, i % side * one, Math.floor(i / side) * one, one));
  const numbers = element("div", {class: "numbers"});
  for (const number of [scale.low, scale.middle, scale.high]) {
    numbers.append(element("span", {}, shown(number, 2)));
  }
  return element("figure", {class: "heat"},
    element("figcaption", {}, title), canvas, bar(scale), numbers,
    element("div", {class: "beyond"}, note));
}

function draw(context, {rgb, mark}, x, y, size) {
  context.fillStyle = `rgb(${rgb.map(Math.round)})`;
  context.fillRect(x, y, size, size);
  if (!mark) return;
  const [red, green, blue] = rgb, near = size / 5, far = size - near;
  context.strokeStyle = 0.3 * red + 0.6 * green + 0.1 * blue > 140 ? "black" : "white";
  context.lineWidth = size / 10;
  context.beginPath();
  if (mark !== "below") { context.moveTo(x + near, y + far); context.lineTo(x + far, y + near); }
  if (mark !== "above") { context.moveTo(x + near, y + near); context.lineTo(x + far, y + far); }
  context.stroke();
}

function bar({colours}) {
  const width = 128;
  const canvas = element("canvas", {class: "bar", width, height: 1, "aria-hidden": "true"});
  const context = canvas.getContext("2d");
  for (let x = 0; x < width; x++) {
    context.fillStyle = `rgb(${colour(colours, x / (width - 1)).map(Math.round)})`;
    context.fillRect(x, 0, 1, 1);
  }
  return canvas;
}

// ---- curves

function svg(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** Where an error is drawn: on a logarithmic axis that ends far below the start. */
function logarithmic(values) {
  const positive = values.filter((value) => value > 0);
  if (!positive.length) return {place: () => 0, ticks: [[0, "0"]]};
  const start = values[0] > 0 ? values[0] : Math.max(...positive);
  const top = Math.log10(Math.max(...positive));
  const bottom = Math.min(Math.log10(Math.max(Math.min(...positive), start * NOTHING)), top - 0.3);
  const place = (value) => value > 0 ? Math.max(0, (Math.log10(value) - bottom) / (top - bottom)) : 0;
  const every = Math.max(1, Math.ceil((top - bottom) / 4));
  const powers = [];
  for (let power = Math.ceil(bottom); power <= top; power += every) powers.push(10 ** power);
  const ticks = powers.length > 1 ? powers : [10 ** bottom, 10 ** top];
  return {place, ticks: ticks.map((tick) => [place(tick), shown(tick, 2)])};
}

function linear(values) {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known), high = Math.max(...known);
  const place = (value) => high > low ? (value - low) / (high - low) : 0.5;
  const ticks = high > low ? [low, high] : [low];
  return {place, ticks: ticks.map((tick) => [place(tick), shown(tick, 3)])};
}

/** A line over the steps, with a marker at one of them. */
function curve(id, title, steps, values, index, axis) {
  const width = Math.max(260, Math.min(520, at.curves.clientWidth)), height = 170;
  const left = 64, right = 14, top = 12, bottom = 34;
  const along = (step) =>
    left + (width - left - right) * Math.log1p(step) / Math.max(Math.log1p(steps.at(-1)), 1e-9);
  const up = (value) => height - bottom - (height - top - bottom) * value;
  const drawing = svg("svg", {
    id, width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title} by step`,
  });
  for (const [place, text] of axis.ticks) {
    drawing.append(svg("line", {class: "grid", x1: left, x2: width - right, y1: up(place), y2: up(place)}));
    drawing.append(svg("text", {x: left - 6, y: up(place) + 4, "text-anchor": "end"}, text));
  }
  let taken = Infinity;
  for (const step of stepTicks(steps.at(-1)).reverse()) {
    if (taken - along(step) < 26) continue;  // no room
    taken = along(step);
    const below = {x: taken, y: height - bottom + 16, "text-anchor": "middle"};
    drawing.append(svg("text", below, step));
  }
  drawing.append(svg("text", {x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle"}, "step"));
  const points = values.map((value, i) => value === null ? null : [along(steps[i]), up(axis.place(value))]);
  const path = points.map((point, i) => point && `${points[i - 1] ? "L" : "M"}${point}`);
  drawing.append(svg("path", {class: "line", d: path.filter(Boolean).join("")}));
  drawing.append(svg("line", {class: "marker", x1: along(steps[index]), x2: along(steps[index]), y1: top, y2: height - bottom}));
  if (points[index]) {
    drawing.append(svg("circle", {class: "point", cx: points[index][0], cy: points[index][1], r: 4.5}));
  }
  return element("figure", {class: "curve"}, element("figcaption", {}, title), drawing);
}

/** The steps with a number on the axis: 0, the powers of 2, and the last. */
function stepTicks(end) {
  const powers = [];
  for (let power = 1; power < end; power *= 2) powers.push(power);
  return [0, ...powers, ...(end ? [end] : [])];
}

// ---- what is chosen

/** Offer the names, and keep what was chosen where it is among them. */
function offer(select, names) {
  const before = select.value;
  select.replaceChildren(...names.map((name) => element("option", {value: name}, name)));
  if (names.includes(before)) select.value = before;
}

const named = (list, select, name = "name") => list.find((each) => String(each[name]) === select.value);

let wanted = 0;  // the step last chosen, kept when another method is

function choose() {
  const task = named(data, at.task, "title");
  offer(at.case, task.cases.map((each) => each.name));
  const chosen = named(task.cases, at.case);
  offer(at.method, chosen.lines.map((each) => each.name));
  const line = named(chosen.lines, at.method);
  offer(at.problem, line.problems.map((each) => String(each.number)));
  const problem = named(line.problems, at.problem, "number");
  at.step.max = problem.steps.length - 1;
  at.step.value = problem.steps.filter((step) => step <= wanted).length - 1;
  show(chosen, line, problem);
}

function show(chosen, line, problem) {
  const index = Number(at.step.value), step = problem.steps[index], end = problem.steps.at(-1);
  const energy = problem.energies === null ? "" : ` Energy: ${shown(problem.energies[index])}.`;
  at.step.setAttribute("aria-valuetext", `step ${step} of ${end}`);
  at.now.textContent = `Step ${step} of ${end}. Error: ${shown(problem.errors[index])}.${energy}`;
  at.pictures.replaceChildren(
    ...pictures(chosen, line, problem, index).map((each) => heatMap(each, chosen.side)));
  const curves = [curve("error-curve", "Error (logarithmic)", problem.steps, problem.errors, index, logarithmic(problem.errors))];
  if (problem.energies !== null) {
    curves.push(curve("energy-curve", "Energy", problem.steps, problem.energies, index, linear(problem.energies)));
  }
  at.curves.replaceChildren(...curves);
  const [low, high] = chosen.range.map((number) => shown(number));
  at.legend.textContent =
    `${line.name}, seed ${line.seed}. Error and energy are those of this problem, as measured; an ` +
    "error is the mean of the squares. The pictures are rounded to 8 bits. The targets of this " +
    `case are from ${low} to ${high}; colours of errors are on a square-root scale. A stroke / in ` +
    "an entry: above the colours; \\: below them; a cross: not finite.";
}

at.controls.addEventListener("submit", (event) => event.preventDefault());
at.controls.addEventListener("change", (event) => { if (event.target !== at.step) choose(); });
at.step.addEventListener("input", () => {
  const chosen = named(named(data, at.task, "title").cases, at.case);
  const line = named(chosen.lines, at.method), problem = named(line.problems, at.problem, "number");
  wanted = problem.steps[Number(at.step.value)];
  show(chosen, line, problem);
});
window.addEventListener("resize", choose);
offer(at.task, data.map((each) => each.title));
choose();
})();
