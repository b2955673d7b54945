// The dialog in which a picture of an object and its mask are uploaded.

const MOST_BYTES = 15 * 2 ** 20;

const byId = (id) => document.getElementById(id);

export function openReferenceDialog(connection, objects, names) {
  const dialog = byId("reference-dialog");
  const form = dialog.querySelector("form");
  form.reset();
  tellWrong("");
  for (const what of ["picture", "mask"]) {
    preview(what);
    byId(`${what}-file`).onchange = () => preview(what);
  }
  const choices = [new Option("a new one", "0")];
  for (const { id } of objects) choices.push(new Option(names[id] ? `${id}: ${names[id]}` : `${id}`, String(id)));
  byId("reference-object").replaceChildren(...choices);
  byId("reference-cancel").onclick = () => dialog.close();
  form.onsubmit = (event) => {
    event.preventDefault();
    const picture = byId("picture-file").files[0];
    const mask = byId("mask-file").files[0];
    if (picture.size + (mask?.size ?? 0) > MOST_BYTES) {
      tellWrong("Both files together may be at most 15 MB.");
      return;
    }
    const header = { type: "reference", object: Number(byId("reference-object").value), picture: picture.size };
    if (connection.sendBytes(header, ...(mask ? [picture, mask] : [picture]))) dialog.close();
    else tellWrong("There is no connection now; try again in a moment.");
  };
  dialog.showModal();
}

function preview(what) {
  const file = byId(`${what}-file`).files[0];
  const image = byId(`${what}-preview`);
  if (image.src) URL.revokeObjectURL(image.src);
  image.hidden = !file;
  if (file) image.src = URL.createObjectURL(file);
  else image.removeAttribute("src");
}

function tellWrong(text) {
  byId("reference-wrong").textContent = text;
  byId("reference-wrong").hidden = !text;
}
