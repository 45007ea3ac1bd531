// Keyboard, mouse and touch, turned into what the player wants.

const KEYS = {
  KeyW: [0, -1], ArrowUp: [0, -1], KeyS: [0, 1], ArrowDown: [0, 1],
  KeyA: [-1, 0], ArrowLeft: [-1, 0], KeyD: [1, 0], ArrowRight: [1, 0],
};
export const STICK_PIXELS = 56;
const DEAD_ZONE = 0.28;

export class Controls {
  /** `aimAt(pageX, pageY)`: radians from the own fighter to a point of the page. */
  constructor(canvas, aimAt) {
    this.canvas = canvas;
    this.aimAt = aimAt;
    this.enabled = false;
    this.sticks = new Map(); // pointer id → {side, x, y, dx, dy}
    this.release();
    this.aim = 0;
    this.pointer = null;
    window.addEventListener("keydown", (event) => this.#key(event, true));
    window.addEventListener("keyup", (event) => this.#key(event, false));
    window.addEventListener("blur", () => this.release());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(type, (event) => this.#up(event));
    }
  }

  release() {
    this.held = new Set();
    this.mouseDown = false;
    this.sticks.clear();
  }

  /** {dx, dy: -1 | 0 | 1, aim: radians, fire} */
  read() {
    let dx = 0;
    let dy = 0;
    for (const code of this.held) {
      dx += KEYS[code]?.[0] ?? 0;
      dy += KEYS[code]?.[1] ?? 0;
    }
    let fire = this.mouseDown || this.held.has("Space");
    if (this.pointer) this.aim = this.aimAt(this.pointer.x, this.pointer.y);
    for (const stick of this.sticks.values()) {
      const far = Math.hypot(stick.dx, stick.dy) > DEAD_ZONE;
      if (stick.side === "left") {
        if (Math.abs(stick.dx) > DEAD_ZONE) dx += Math.sign(stick.dx);
        if (Math.abs(stick.dy) > DEAD_ZONE) dy += Math.sign(stick.dy);
      } else if (far) {
        this.aim = Math.atan2(stick.dy, stick.dx);
        fire = true;
      }
    }
    return { dx: Math.sign(dx), dy: Math.sign(dy), aim: this.aim, fire };
  }

  #key(event, down) {
    if (!(event.code in KEYS) && event.code !== "Space") return;
    if (!down) {
      this.held.delete(event.code);
      return;
    }
    const typing = event.target.closest?.("input, textarea, select, button, a, dialog[open]");
    if (!this.enabled || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.held.add(event.code);
  }

  #down(event) {
    if (!this.enabled) return;
    this.canvas.focus({ preventScroll: true });
    if (event.pointerType === "mouse") {
      this.pointer = { x: event.clientX, y: event.clientY };
      if (event.button === 0) this.mouseDown = true;
      this.canvas.setPointerCapture(event.pointerId);
      return;
    }
    const side = event.clientX < window.innerWidth / 2 ? "left" : "right";
    this.pointer = null;
    this.canvas.setPointerCapture(event.pointerId);
    const stick = { side, x: event.clientX, y: event.clientY, dx: 0, dy: 0 };
    this.sticks.set(event.pointerId, stick);
  }

  #move(event) {
    if (event.pointerType === "mouse") {
      this.pointer = { x: event.clientX, y: event.clientY };
      return;
    }
    const stick = this.sticks.get(event.pointerId);
    if (!stick) return;
    stick.dx = (event.clientX - stick.x) / STICK_PIXELS;
    stick.dy = (event.clientY - stick.y) / STICK_PIXELS;
  }

  #up(event) {
    if (event.pointerType === "mouse") this.mouseDown = false;
    else this.sticks.delete(event.pointerId);
  }
}
