// Heat on a canvas: the same steps as the annotated video, value first and colour last.

const CANVAS_SIDE = 480;
const HATCH = 12;

/** For each of `size` pixels: the two cells around it, the share of the second, and whether it is seen. */
function alongSide(size, numCells, start, end) {
  const first = new Int32Array(size), second = new Int32Array(size);
  const share = new Float32Array(size), isSeen = new Uint8Array(size);
  for (let at = 0; at < size; at += 1) {
    const middle = (at + 0.5) / size;
    isSeen[at] = middle >= start && middle <= end ? 1 : 0;
    const place = Math.min(numCells - 1, Math.max(0, ((middle - start) / (end - start)) * numCells - 0.5));
    first[at] = Math.floor(place);
    second[at] = Math.min(numCells - 1, first[at] + 1);
    share[at] = place - first[at];
  }
  return { first, second, share, isSeen };
}

class HeatCanvas {
  constructor(canvas, seen) {
    const scale = CANVAS_SIDE / Math.max(seen.aspect, 1);
    canvas.width = Math.max(2, Math.round(seen.aspect * scale));
    canvas.height = Math.max(2, Math.round(scale));
    this.canvas = canvas;
    this.seen = seen;
    this.context = canvas.getContext("2d");
    this.image = this.context.createImageData(canvas.width, canvas.height);
    this.values = new Float32Array(canvas.width * canvas.height);
    const [left, top, right, bottom] = seen.view;
    this.across = alongSide(canvas.width, seen.numColumns, left, right);
    this.down = alongSide(canvas.height, seen.numRows, top, bottom);
  }

  /** Draw cells, Float32 [h, w] in 0..255, through a table of 256 colours. */
  draw(cells, { table, opacity, threshold, outline }) {
    this.spread(cells);
    const { width, height } = this.canvas;
    const { values, image: { data: pixels }, across, down } = this;
    const least = threshold * 255;
    for (let y = 0, at = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, at += 1) {
        const pixel = 4 * at;
        if (!(across.isSeen[x] && down.isSeen[y])) {
          const isLine = (x + y) % HATCH === 0;
          pixels[pixel] = pixels[pixel + 1] = pixels[pixel + 2] = isLine ? 90 : 0;
          pixels[pixel + 3] = 178;
          continue;
        }
        const value = values[at];
        const color = 3 * Math.round(value);
        pixels[pixel] = table[color];
        pixels[pixel + 1] = table[color + 1];
        pixels[pixel + 2] = table[color + 2];
        pixels[pixel + 3] = value < least ? 0 : opacity * value;
      }
    }
    if (outline) this.trace(least || 127.5);
    this.context.putImageData(this.image, 0, 0);
  }

  /** Cells to pixels, bilinear with cell centres in place. */
  spread(cells) {
    const { width, height } = this.canvas;
    const { across, down, values } = this;
    const numColumns = this.seen.numColumns;
    const line = new Float32Array(numColumns);
    for (let y = 0, at = 0; y < height; y += 1) {
      const above = down.first[y] * numColumns, below = down.second[y] * numColumns;
      for (let column = 0; column < numColumns; column += 1) {
        const from = cells[above + column];
        line[column] = from + down.share[y] * (cells[below + column] - from);
      }
      for (let x = 0; x < width; x += 1, at += 1) {
        const from = line[across.first[x]];
        values[at] = from + across.share[x] * (line[across.second[x]] - from);
      }
    }
  }

  /** A white line with a dark rim around what is at least as hot as `level`. */
  trace(level) {
    const { width, height } = this.canvas;
    const { values, image: { data: pixels } } = this;
    const isHot = (x, y) => x >= 0 && y >= 0 && x < width && y < height && values[y * width + x] >= level;
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const hot = values[y * width + x] >= level;
        const isEdge = [[-1, 0], [1, 0], [0, -1], [0, 1]].some(([dx, dy]) => isHot(x + dx, y + dy) !== hot);
        if (isEdge) pixels.set(hot ? [255, 255, 255, 255] : [0, 0, 0, 255], 4 * (y * width + x));
      }
    }
  }

  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}
