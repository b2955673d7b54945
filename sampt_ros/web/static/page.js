// Connects the parts of the page: the connection, the picture, the list of objects, the dialogs.

import { Connection } from "/connection.js";
import { ObjectList } from "/objects.js";
import { openReferenceDialog } from "/reference.js";
import { Stage } from "/stage.js";

const NOTICE_MS = 4500;
const MOST_NOTICES = 3;
const POSITIVE = 1;
const NEGATIVE = 0;

const byId = (id) => document.getElementById(id);

let condition = { paused: false, names: {}, values: {} };
let selected = 0; // Id of the object that clicks correct; 0: none.
let lastClicked = 0; // Id of the object that a click outside all objects takes away from.
let takesAway = false; // Whether a plain click takes away from an object.

const connection = new Connection({
  frame: onFrame,
  condition: onCondition,
  answer: onAnswer,
  trouble: onTrouble,
});
const stage = new Stage(byId("picture"), byId("frame"), { click: onClick, box: onBox });
const list = new ObjectList(byId("objects"), {
  select: (id) => select(selected === id ? 0 : id),
  rename,
  remove,
});

// --- from the server ---

function onFrame(frame) {
  byId("waiting").hidden = true;
  byId("frame").classList.remove("old");
  if (selected && !frame.objects.some((object) => object.id === selected)) select(0);
  stage.show(frame, () => connection.send({ type: "drawn", number: frame.number }));
  list.show(frame.objects, condition.names, selected);
  byId("empty").hidden = frame.objects.length > 0;
}

function onCondition(now) {
  condition = now;
  document.title = `sampt: ${now.source}`;
  byId("source").textContent = now.source;
  showMessage(now.message, now.paused ? "wait" : now.well ? "good" : "bad");
  byId("pause").textContent = now.paused ? "Resume" : "Pause";
  byId("preset").textContent = now.values.preset || "–";
  byId("rate").textContent = perSecond(now.values);
  showLatency(now.values["latency (ms, median / p95)"]);
  byId("dropped").textContent = now.values.frames_dropped ?? "–";
  byId("values").replaceChildren(...Object.entries(now.values).map(([name, value]) => row(name, value)));
  stage.names = now.names;
  showHint();
}

function onTrouble(text) {
  showMessage(text, "bad");
  if (!stage.shown) return;
  byId("frame").classList.add("old"); // So that nobody mistakes it for what the camera sees now.
  byId("waiting").textContent = "no connection: this picture is old";
  byId("waiting").hidden = false;
}

function onAnswer(answer) {
  notify(answer.text, answer.ok ? "good" : "bad");
  if (answer.ok && answer.object) lastClicked = answer.object;
}

// --- from people ---

function ask(command) {
  const isSent = connection.send(command);
  if (!isSent) notify("There is no connection: nothing was done.", "bad");
  return isSent;
}

function onClick(x, y, isNegative) {
  const label = isNegative !== takesAway ? NEGATIVE : POSITIVE;
  const object = selected || stage.objectAt(x, y) || (label === NEGATIVE ? lastClicked : 0);
  if (label === NEGATIVE && !object) {
    notify("Take away from which object? Click on one, or choose it in the list.", "bad");
    return;
  }
  const isSent = ask({ type: "points", object, stamp: stage.stamp, points: [[x, y, label]] });
  if (isSent) stage.mark(x, y, label === POSITIVE);
}

function onBox(box) {
  ask({ type: "box", object: selected, stamp: stage.stamp, box });
}

function select(id) {
  selected = id;
  stage.selected = id;
  list.select(id);
  showHint();
}

function rename(id, name) {
  condition.names[id] = name; // The server soon sends the name that it accepted.
  ask({ type: "rename", object: id, name });
}

function remove(id) {
  ask({ type: "remove", object: id });
  if (selected === id) select(0);
}

function setTakesAway(value) {
  takesAway = value;
  byId("add").setAttribute("aria-checked", String(!value));
  byId("take").setAttribute("aria-checked", String(value));
}

function pause() {
  ask({ type: "pause", paused: !condition.paused });
}

byId("add").addEventListener("click", () => setTakesAway(false));
byId("take").addEventListener("click", () => setTakesAway(true));
byId("pause").addEventListener("click", pause);
byId("reset").addEventListener("click", () => {
  ask({ type: "reset" });
  lastClicked = 0;
  select(0);
});
byId("reference").addEventListener("click", () => openReferenceDialog(connection, stage.objects, condition.names));

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, button, summary") || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") select(0);
  else if (event.key === " ") pause();
  else if (event.key === "Delete" && selected) remove(selected);
  else if (/^[1-9]$/.test(event.key) && stage.objects.some((object) => object.id === Number(event.key))) {
    select(Number(event.key));
  } else return;
  event.preventDefault();
});

// --- words ---

function showMessage(text, kind) {
  byId("message").textContent = text;
  byId("message").dataset.kind = kind;
}

function showHint() {
  const name = selected && (condition.names[selected] || `object ${selected}`);
  const isTouch = matchMedia("(pointer: coarse)").matches;
  const takes = isTouch ? "a long press takes away" : "right click or shift takes away";
  byId("hint").textContent = selected
    ? `Correcting ${name}: ${isTouch ? "a tap" : "a click"} adds to it, ${takes}, dragging a box restarts it.`
    : `${isTouch ? "Tap" : "Click"} an object to track it, or drag a box around it; ${takes}.`;
}

function notify(text, kind) {
  const notice = document.createElement("li");
  notice.textContent = text;
  notice.dataset.kind = kind;
  byId("notices").append(notice);
  while (byId("notices").children.length > MOST_NOTICES) byId("notices").firstChild.remove();
  setTimeout(() => notice.remove(), NOTICE_MS);
}

function perSecond(values) {
  const out = values["rate out (frames/s)"];
  return out === undefined ? "–" : `${out} / ${values["rate in (frames/s)"]} fps`;
}

function showLatency(text) {
  const [median, late] = (text ?? "").split(" / ").map((value) => Math.round(parseFloat(value)));
  byId("latency").textContent = text === undefined ? "–" : `${median} ms`;
  byId("latency").title = text === undefined ? "" : `the median; 95 of 100 frames take less than ${late} ms`;
}

function row(name, value) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  const cell = document.createElement("td");
  head.textContent = name.replaceAll("_", " ");
  cell.textContent = value;
  line.append(head, cell);
  return line;
}

showHint();
connection.open();
