// Whether a polygon or a line is one that a person can have meant; for polygons the same as the
// catalogue's own check.
const turn = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);

const between = (a, b, c) =>
  Math.min(a[0], b[0]) <= c[0] && c[0] <= Math.max(a[0], b[0]) &&
  Math.min(a[1], b[1]) <= c[1] && c[1] <= Math.max(a[1], b[1]);

function touch(a, b, c, d) {
  const turns = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
  const [t1, t2, t3, t4] = turns;
  if (!turns.includes(0) && t1 > 0 !== t2 > 0 && t3 > 0 !== t4 > 0) return true;
  return [[t1, a, b, c], [t2, a, b, d], [t3, c, d, a], [t4, c, d, b]].some(
    ([t, p, q, r]) => t === 0 && between(p, q, r));
}

function crosses(polygon) {
  const edges = polygon.map((p, i) => [p, polygon[(i + 1) % polygon.length]]);
  for (let i = 0; i < edges.length; i++)
    for (let j = i + 2; j < edges.length; j++)
      if (!(i === 0 && j === edges.length - 1) && touch(...edges[i], ...edges[j])) return true;
  return false;
}

// A zone that is the whole picture: to colour it would colour everything.
export const isWhole = (polygon) => Math.abs(area(polygon)) > 0.9;

function area(polygon) {
  return polygon.reduce((sum, [x0, y0], i) => {
    const [x1, y1] = polygon[(i + 1) % polygon.length];
    return sum + (x0 * y1 - x1 * y0) / 2;
  }, 0);
}

const outside = ([x, y]) => x < 0 || x > 1 || y < 0 || y > 1;

// What is wrong with a polygon: the key of a sentence, or nothing.
export function fault(polygon) {
  if (polygon.some(outside)) return "camera.outside";
  if (crosses(polygon)) return "camera.crosses";
  if (Math.abs(area(polygon)) < 1e-4) return "camera.flat";
  return "";
}

const SHORT = 0.02;

// The same for a line.
export function lineFault(points) {
  if (points.some(outside)) return "camera.outside_line";
  const [[x0, y0], [x1, y1]] = points;
  return Math.hypot(x1 - x0, y1 - y0) < SHORT ? "camera.short" : "";
}
