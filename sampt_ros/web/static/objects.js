// The list of objects. Each object has one card, which is kept from frame to frame, so that a name can be typed.

export class ObjectList {
  // act: functions to call with the id of an object to select, rename or remove.
  constructor(list, act) {
    this.list = list;
    this.act = act;
    this.cards = new Map();
    this.selected = 0;
  }

  show(objects, names, selected) {
    this.selected = selected;
    const there = new Set(objects.map((object) => object.id));
    for (const [id, card] of this.cards) {
      if (!there.has(id)) {
        card.remove();
        this.cards.delete(id);
      }
    }
    for (const object of objects) {
      if (!this.cards.has(object.id)) this.cards.set(object.id, this.newCard(object));
      this.fill(this.cards.get(object.id), object, names[object.id] || "");
    }
  }

  select(id) {
    this.selected = id;
    for (const [other, card] of this.cards) mark(card, other === id);
  }

  newCard({ id, color }) {
    const card = element("li", "object");
    card.dataset.id = id;
    card.style.setProperty("--color", color);
    const name = element("input", "name");
    name.placeholder = `object ${id}`;
    name.maxLength = 40;
    name.setAttribute("aria-label", `Name of object ${id}`);
    let before = "";
    name.addEventListener("focus", () => { before = name.value; });
    name.addEventListener("change", () => this.act.rename(id, name.value));
    name.addEventListener("keydown", (event) => {
      if (event.key === "Escape") name.value = before;
      if (event.key === "Enter" || event.key === "Escape") name.blur();
    });
    const correct = element("button", "correct", "Correct");
    const remove = element("button", "remove", "✕");
    correct.type = remove.type = "button";
    correct.title = "Let clicks correct this object";
    remove.title = "Stop tracking it";
    remove.setAttribute("aria-label", `Remove object ${id}`);
    remove.addEventListener("click", () => this.act.remove(id));
    card.addEventListener("click", (event) => {
      if (!event.target.closest("input, .remove")) this.act.select(id);
    });
    const actions = element("div", "actions");
    actions.append(correct, remove);
    const facts = element("div", "facts");
    const score = element("meter", "score");
    score.min = 0;
    score.max = 1;
    score.low = 0.5;
    score.high = 0.7;
    score.optimum = 1;
    facts.append(element("span", "state"), score, element("span", "number"), element("span", "area"), element("span", "place"));
    card.append(element("span", "badge", String(id)), name, actions, facts);
    this.list.append(card);
    return card;
  }

  fill(card, object, name) {
    const field = card.querySelector(".name");
    if (document.activeElement !== field) setValue(field, name);
    const state = card.querySelector(".state");
    state.dataset.state = object.state;
    setText(state, object.state.toLowerCase());
    card.querySelector(".score").value = object.score;
    card.querySelector(".score").hidden = object.state === "LOST";
    setText(card.querySelector(".number"), object.state === "LOST" ? "" : object.score.toFixed(2));
    setText(card.querySelector(".area"), object.area ? `${object.area.toLocaleString("en")} px` : "");
    setText(card.querySelector(".place"), object.position ? place(object.position) : "");
    mark(card, object.id === this.selected);
  }
}

function place([x, y, z]) {
  return `x ${x.toFixed(2)}  y ${y.toFixed(2)}  z ${z.toFixed(2)} m`;
}

function mark(card, isSelected) {
  card.classList.toggle("selected", isSelected);
  const button = card.querySelector(".correct");
  button.setAttribute("aria-pressed", String(isSelected));
  setText(button, isSelected ? "Done" : "Correct");
}

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setValue(field, value) {
  if (field.value !== value) field.value = value;
}
