// The WebSocket to the server, which is opened again whenever it closes.

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 5000;
const TOKEN_KEY = "sampt-token";

export class Connection {
  // hear: functions to call with a frame, a condition, an answer, and with the reason why there is no connection.
  constructor(hear) {
    this.hear = hear;
    this.retry = FIRST_RETRY_MS;
    this.socket = null;
    if (location.hash.length > 1) {
      this.setToken(location.hash.slice(1));
      history.replaceState(null, "", location.pathname); // Keep the token out of the address bar.
    }
  }

  get token() {
    return sessionStorage.getItem(TOKEN_KEY) || "";
  }

  setToken(token) {
    sessionStorage.setItem(TOKEN_KEY, token);
  }

  open() {
    const address = new URL("/watch", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const isToken = /^[\w.~-]+$/.test(this.token); // With other characters the browser would not even connect.
    this.socket = new WebSocket(address, isToken ? ["sampt", `token.${this.token}`] : ["sampt"]);
    this.socket.binaryType = "arraybuffer";
    this.newest = 0; // Number of the picture that is shown.
    this.socket.addEventListener("message", (event) => this.receive(event.data));
    this.socket.addEventListener("close", () => this.onClose());
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  // Sends a command as JSON. Like sendBytes, it returns whether there is a connection.
  send(command) {
    if (this.isOpen) this.socket.send(JSON.stringify(command));
    return this.isOpen;
  }

  // Sends a header and the contents that it describes as one message: length of the header, header, contents.
  sendBytes(header, ...contents) {
    if (!this.isOpen) return false;
    const text = new TextEncoder().encode(JSON.stringify(header));
    const length = new DataView(new ArrayBuffer(4));
    length.setUint32(0, text.length, true);
    this.socket.send(new Blob([length.buffer, text, ...contents]));
    return true;
  }

  async receive(data) {
    this.retry = FIRST_RETRY_MS;
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "condition") this.hear.condition(message);
      else this.hear.answer(message);
      return;
    }
    const length = new DataView(data).getUint32(0, true);
    const frame = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const jpeg = new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" });
    frame.bitmap = await createImageBitmap(jpeg).catch(() => null);
    if (!frame.bitmap || frame.number < this.newest) {
      // Skip a damaged picture, and one that took longer to decode than the next.
      frame.bitmap?.close();
      this.send({ type: "drawn", number: frame.number });
      return;
    }
    this.newest = frame.number;
    this.hear.frame(frame);
  }

  async onClose() {
    const reason = await this.whyRefused();
    this.hear.trouble(reason || "connection lost; trying again");
    setTimeout(() => this.open(), this.retry);
    this.retry = Math.min(2 * this.retry, LAST_RETRY_MS);
  }

  // A browser does not say why a WebSocket was refused; a plain request to the same address is answered with the reason.
  async whyRefused() {
    try {
      const answer = await fetch("/watch", { headers: { Authorization: `Bearer ${this.token}` } });
      if (answer.status === 401) await this.askForToken();
      return answer.status > 400 ? await answer.text() : "";
    } catch {
      return "";
    }
  }

  askForToken() {
    const dialog = document.getElementById("token-dialog");
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        this.setToken(document.getElementById("token").value.trim());
        resolve();
      }, { once: true });
    });
  }
}
