// The picture: draws frames, masks, points and tags, and reports clicks and boxes in pixels of the camera's image.

const DRAG_PX = 7; // On the screen; a shorter movement is a click.
const LONG_PRESS_MS = 550;
const MARK_MS = 700;
const MOST_PIXEL_RATIO = 2;
const WIDEST_TAG = 0.45; // As a share of the picture's width.

export class Stage {
  // hear: functions to call with a click (x, y, whether it was a right click, with shift, or a long press) and a box.
  constructor(canvas, frame, hear) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.frame = frame;
    this.hear = hear;
    this.names = {};
    this.selected = 0;
    this.shown = null;
    this.shapes = new Map(); // By object id: its mask as a path, in pixels of the image.
    this.drawn = []; // Functions to call after the next drawing.
    this.marks = []; // Where somebody clicked a moment ago.
    this.press = null; // The button or finger that is down.
    this.isDue = false;
    new ResizeObserver(() => this.fit()).observe(frame);
    addEventListener("resize", () => this.fit());
    this.listen();
  }

  get stamp() {
    return this.shown ? this.shown.stamp : "0";
  }

  get objects() {
    return this.shown ? this.shown.objects : [];
  }

  show(frame, whenDrawn) {
    const isResized = !this.shown || this.shown.width !== frame.width || this.shown.height !== frame.height;
    this.shown?.bitmap.close();
    this.shown = frame;
    this.shapes = new Map(frame.objects.map((object) => [object.id, shape(object.outlines)]));
    this.drawn.push(whenDrawn);
    if (isResized) this.fit();
    this.redraw();
  }

  objectAt(x, y) {
    // The mask that was drawn last lies on top.
    for (const [id, path] of [...this.shapes].reverse()) {
      if (this.context.isPointInPath(path, x, y, "evenodd")) return id;
    }
    return 0;
  }

  mark(x, y, isPositive) {
    this.marks.push({ x, y, isPositive, since: performance.now() });
    this.redraw();
  }

  // Makes the picture as large as its frame allows.
  fit() {
    if (!this.shown) return;
    const { width, height } = this.shown;
    // In the one-column layout the frame is as high as the picture, which takes at most this share of the window.
    const isColumn = getComputedStyle(this.frame).flexGrow === "0";
    const roomHeight = isColumn ? 0.58 * innerHeight : this.frame.clientHeight;
    const scale = Math.min(this.frame.clientWidth / width, roomHeight / height);
    const ratio = Math.min(devicePixelRatio || 1, MOST_PIXEL_RATIO);
    this.canvas.style.width = `${Math.floor(scale * width)}px`;
    this.canvas.style.height = `${Math.floor(scale * height)}px`;
    this.canvas.width = Math.max(1, Math.round(scale * width * ratio));
    this.canvas.height = Math.max(1, Math.round(scale * height * ratio));
    this.redraw();
  }

  // --- drawing ---

  redraw() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.draw();
      for (const tell of this.drawn.splice(0)) tell();
      if (this.marks.length) this.redraw();
    });
  }

  draw() {
    if (!this.shown) return;
    const { context, canvas, shown } = this;
    const scale = canvas.width / shown.width; // Size of an image pixel in canvas pixels.
    this.unit = canvas.width / canvas.clientWidth / scale; // Size of a screen pixel in image pixels.
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(shown.bitmap, 0, 0, canvas.width, canvas.height);
    // Integer coordinates are the centres of pixels.
    context.setTransform(scale, 0, 0, scale, 0.5 * scale, 0.5 * scale);
    context.lineJoin = "round";
    for (const object of shown.objects) this.drawMask(object);
    for (const object of shown.objects) this.drawPoints(object);
    this.tags = [];
    for (const object of shown.objects) this.drawTag(object);
    this.drawBox();
    this.drawMarks();
  }

  drawMask({ id, color }) {
    const { context, unit } = this;
    const path = this.shapes.get(id);
    const isOther = this.selected && this.selected !== id;
    context.fillStyle = color;
    context.globalAlpha = isOther ? 0.18 : 0.42;
    context.fill(path, "evenodd");
    context.globalAlpha = isOther ? 0.5 : 1;
    context.strokeStyle = "rgb(0 0 0 / .55)";
    context.lineWidth = (this.selected === id ? 5 : 3.5) * unit;
    context.stroke(path);
    context.strokeStyle = this.selected === id ? "#fff" : color;
    context.lineWidth = (this.selected === id ? 2.5 : 1.8) * unit;
    context.stroke(path);
    context.globalAlpha = 1;
  }

  drawPoints({ color, points }) {
    const { context, unit } = this;
    for (const [x, y, label, isVisible] of points) {
      if (!isVisible) this.circle(x, y, 3.5, null, "rgb(220 225 230 / .7)", 1.2);
      else if (label) this.circle(x, y, 3.6, color, "#fff", 1.5);
      else {
        context.beginPath();
        for (const slope of [1, -1]) {
          context.moveTo(x - 3.5 * unit, y - slope * 3.5 * unit);
          context.lineTo(x + 3.5 * unit, y + slope * 3.5 * unit);
        }
        this.stroke("rgb(0 0 0 / .6)", 4);
        this.stroke(color, 2);
      }
    }
  }

  drawTag(object) {
    const anchor = place(object);
    if (!anchor) return;
    const { context, unit, shown } = this;
    const doubt = object.state === "TRACKING" ? "" : object.state.toLowerCase();
    const height = 21 * unit;
    context.font = `600 ${12.5 * unit}px system-ui, "DejaVu Sans", sans-serif`;
    const text = this.tagText(object.id, doubt || object.score.toFixed(2));
    const width = context.measureText(text).width + 20 * unit;
    const left = Math.max(2 * unit, Math.min(anchor[0], shown.width - width - 2 * unit));
    const above = anchor[1] - height - 7 * unit;
    const below = Math.min(anchor[1] + anchor[3] + 7 * unit, shown.height - height - 2 * unit);
    const top = this.freeTop(left, above > 0 ? above : below, width, height);
    context.beginPath();
    context.roundRect(left, top, width, height, 6 * unit);
    context.fillStyle = "rgb(13 16 20 / .84)";
    context.fill();
    context.beginPath();
    context.roundRect(left, top, 5 * unit, height, [6 * unit, 0, 0, 6 * unit]);
    context.fillStyle = object.color;
    context.fill();
    context.fillStyle = doubt && doubt !== "reacquired" ? "#ffcf7a" : "#fff";
    context.textBaseline = "middle";
    context.fillText(text, left + 12 * unit, top + height / 2 + unit);
  }

  // Id, name, and state or score; a long name is cut off.
  tagText(id, how) {
    const name = [...(this.names[id] || "")];
    const parts = (length) => {
      const shown = length < name.length ? `${name.slice(0, length).join("").trim()}…` : name.join("");
      return [shown ? `${id} ${shown}` : `${id}`, how].join(" · ");
    };
    let length = name.length;
    while (length > 0 && this.context.measureText(parts(length)).width > WIDEST_TAG * this.shown.width) length -= 1;
    return parts(length);
  }

  // The highest position from `top` downwards where a tag covers no other one.
  freeTop(left, top, width, height) {
    const hidden = this.tags.find((tag) => left < tag.left + tag.width && tag.left < left + width
      && top < tag.top + height && tag.top < top + height);
    if (hidden) return this.freeTop(left, hidden.top + height + 2 * this.unit, width, height);
    this.tags.push({ left, top, width });
    return top;
  }

  drawBox() {
    if (!this.press?.isDrag) return;
    const { start, end } = this.press;
    const { context, unit } = this;
    context.beginPath();
    context.rect(start[0], start[1], end[0] - start[0], end[1] - start[1]);
    context.fillStyle = "rgb(255 255 255 / .12)";
    context.fill();
    this.stroke("rgb(0 0 0 / .6)", 3.5);
    context.setLineDash([7 * unit, 5 * unit]);
    this.stroke("#fff", 1.8);
    context.setLineDash([]);
  }

  drawMarks() {
    const now = performance.now();
    this.marks = this.marks.filter((mark) => now - mark.since < MARK_MS);
    for (const { x, y, isPositive, since } of this.marks) {
      const share = (now - since) / MARK_MS;
      this.context.globalAlpha = 1 - share;
      this.circle(x, y, 6 + 16 * share, null, isPositive ? "#4be3a4" : "#ff7a6b", 2.5);
      this.context.globalAlpha = 1;
    }
  }

  circle(x, y, radius, fill, line, width) {
    const { context, unit } = this;
    context.beginPath();
    context.arc(x, y, radius * unit, 0, 2 * Math.PI);
    this.stroke("rgb(0 0 0 / .55)", width + 2);
    if (fill) {
      context.fillStyle = fill;
      context.fill();
    }
    this.stroke(line, width);
  }

  stroke(style, width) {
    this.context.strokeStyle = style;
    this.context.lineWidth = width * this.unit;
    this.context.stroke();
  }

  // --- mouse and fingers ---

  listen() {
    const { canvas } = this;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", () => this.release());
  }

  down(event) {
    if (!this.shown || this.press || (event.button !== 0 && event.button !== 2)) {
      this.release(); // A second finger: the page is being zoomed.
      return;
    }
    this.canvas.setPointerCapture(event.pointerId);
    const at = this.pixel(event);
    this.press = { start: at, end: at, screen: [event.clientX, event.clientY], isDrag: false };
    if (event.pointerType === "touch") {
      this.press.timer = setTimeout(() => {
        if (this.press?.isDrag) return;
        navigator.vibrate?.(15);
        this.release();
        this.hear.click(...at, true);
      }, LONG_PRESS_MS);
    }
  }

  move(event) {
    if (!this.press) return;
    const [x, y] = this.press.screen;
    this.press.end = this.pixel(event);
    if (Math.hypot(event.clientX - x, event.clientY - y) > DRAG_PX) this.press.isDrag = true;
    if (this.press.isDrag) this.redraw();
  }

  up(event) {
    if (!this.press) return;
    const { start, isDrag } = this.press;
    const end = this.pixel(event);
    this.release();
    if (isDrag) this.hear.box([...start, ...end]);
    else this.hear.click(...start, event.button === 2 || event.shiftKey || event.ctrlKey);
  }

  release() {
    clearTimeout(this.press?.timer);
    this.press = null;
    this.redraw();
  }

  // The pixel of the camera's image under a pointer, clipped to the image.
  pixel(event) {
    const place = this.canvas.getBoundingClientRect();
    const x = ((event.clientX - place.left) / place.width) * this.shown.width - 0.5;
    const y = ((event.clientY - place.top) / place.height) * this.shown.height - 0.5;
    return [round(x, this.shown.width - 1), round(y, this.shown.height - 1)];
  }
}

function round(value, most) {
  return Math.round(10 * Math.max(0, Math.min(value, most))) / 10;
}

// The outlines of a mask, each x, y, x, y, ..., as one path.
function shape(outlines) {
  const path = new Path2D();
  for (const outline of outlines) {
    for (let i = 0; i < outline.length; i += 2) {
      if (i === 0) path.moveTo(outline[0], outline[1]);
      else path.lineTo(outline[i], outline[i + 1]);
    }
    path.closePath();
  }
  return path;
}

// The box that a tag is placed at, [x, y, width, height]: around the mask, or else around the visible positive points.
function place({ area, box, points }) {
  if (area) return box;
  const seen = points.filter(([, , label, isVisible]) => label && isVisible);
  if (!seen.length) return null;
  const xs = seen.map(([x]) => x);
  const ys = seen.map(([, y]) => y);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return [left, top, Math.max(...xs) - left, Math.max(...ys) - top];
}
