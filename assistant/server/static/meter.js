/** Levels of both sides over the last seconds: the user above the line, the assistant below it. */

const BAR_MS = 80;
const BAR_PX = 3;
const GAP_PX = 2;
const QUIETEST_DB = -55;

export class Meter {
  #canvas;
  #sources;
  #levels = []; // [user, assistant] of each bar, from 0 to 1
  #peak = [0, 0];
  #barAt = 0;
  #running = false;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** `sources`: functions that give an AnalyserNode or null, of the user and of the assistant. */
  constructor(canvas, sources) {
    this.#canvas = canvas;
    this.#sources = sources.map((analyser) => new Level(analyser));
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  #fit() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = clientWidth * devicePixelRatio;
    this.#canvas.height = clientHeight * devicePixelRatio;
    this.draw();
  }

  /** Runs while there is something to see, and until it has left the picture. */
  start() {
    if (this.#running) return;
    this.#running = true;
    this.#barAt = performance.now();
    requestAnimationFrame((now) => this.#tick(now));
  }

  #tick(now) {
    for (const [side, level] of this.#sources.entries()) {
      this.#peak[side] = Math.max(this.#peak[side], level.read());
    }
    if (now - this.#barAt >= BAR_MS) this.#nextBar(now);
    this.#running = this.#sources.some((level) => level.isActive) || this.#levels.some(([a, b]) => a + b > 0);
    if (this.#running) requestAnimationFrame((next) => this.#tick(next));
  }

  #nextBar(now) {
    this.#barAt = now;
    this.#levels.push(this.#peak);
    this.#peak = [0, 0];
    while (this.#levels.length > this.#count) this.#levels.shift();
    this.draw();
  }

  get #count() {
    return Math.max(1, Math.floor(this.#canvas.clientWidth / (BAR_PX + GAP_PX)));
  }

  draw() {
    const pen = this.#canvas.getContext("2d");
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const style = getComputedStyle(this.#canvas);
    const colors = ["--user", "--assistant"].map((name) => style.getPropertyValue(name));
    pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = style.getPropertyValue("--line");
    pen.fillRect(0, height / 2 - 0.5, width, 1);
    if (this.#still.matches) this.#drawStill(pen, colors, width, height);
    else this.#drawBars(pen, colors, width, height);
  }

  #drawBars(pen, colors, width, height) {
    for (const [n, levels] of this.#levels.entries()) {
      const x = width - (this.#levels.length - n) * (BAR_PX + GAP_PX);
      for (const side of [0, 1]) this.#bar(pen, colors, side, x, BAR_PX, levels[side] * (height / 2 - 2));
    }
  }

  #bar(pen, colors, side, x, width, length) {
    if (length <= 0) return;
    const middle = this.#canvas.clientHeight / 2;
    pen.fillStyle = colors[side];
    pen.beginPath();
    pen.roundRect(x, side ? middle + 1 : middle - 1 - length, width, length, 1.5);
    pen.fill();
  }

  /** Without movement across the picture: how loud it is now. */
  #drawStill(pen, colors, width, height) {
    const [user, assistant] = this.#levels.at(-1) ?? [0, 0];
    for (const [side, level] of [user, assistant].entries()) {
      pen.fillStyle = colors[side];
      pen.fillRect(0, side ? height / 2 + 3 : height / 2 - 9, level * width, 6);
    }
  }
}

class Level {
  #analyser;
  #samples = new Float32Array(2048);

  constructor(analyser) {
    this.#analyser = analyser;
  }

  get isActive() {
    return Boolean(this.#analyser()) && this.#analyser().context.state === "running";
  }

  /** From 0 (quiet) to 1. */
  read() {
    const analyser = this.#analyser();
    if (!analyser) return 0;
    analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, value) => sum + value * value, 0) / this.#samples.length;
    const db = 10 * Math.log10(power + 1e-12);
    return Math.max(0, Math.min(1, 1 - db / QUIETEST_DB));
  }
}
