// Where places and cameras stand in a sketch. Pure: a catalogue and a size give points.
//
// With coordinates it is a map: places at their spots, what belongs together within a soft outline.
// Without, it is a scheme: a column of boxes for each place that holds others.

const PAD = 56;

// Places that have cameras, with all that hold them.
function lineages(setting) {
  const used = new Set();
  for (const camera of setting.cameras)
    for (let at = setting.places[camera.place]; at && !used.has(at.id); at = setting.places[at.parent])
      used.add(at.id);
  return used;
}

function located(setting, id) {
  for (let at = setting.places[id]; at; at = setting.places[at.parent])
    if (at.latitude != null && at.longitude != null) return at;
  return null;
}

export function plan(setting, width, height) {
  const used = lineages(setting);
  const atHome = setting.cameras.filter((camera) => located(setting, camera.place));
  return atHome.length ? mapOf(setting, used, width, height) : schemeOf(setting, used, width, height);
}

// --- a map -------------------------------------------------------------------------------------

function mapOf(setting, used, width, height) {
  // what holds no camera that may be seen is not drawn: its places would stand there empty
  const inhabited = new Set(setting.cameras.map((camera) => located(setting, camera.place)?.id));
  const drawn = (place) => used.has(place.id) && place.latitude != null && place.longitude != null;
  // nor the middle of the province, which would only push its places aside
  const spots = Object.values(setting.places).filter((p) => drawn(p) && (p.kind !== "province" || inhabited.has(p.id)));
  const to = projection(spots, width, height);
  const points = new Map(spots.map((place) => [place.id, to(place)]));
  const blocks = blocksOf(setting, points, width > 700);
  const homes = [...points.values()].filter((p) => p.kind === "spot" || blocks.has(p.id));
  spread(homes, (p) => blocks.get(p.id)?.reach ?? REACH);
  for (const p of homes) keepInside(p, blocks.get(p.id), width, height);
  const places = spots.map((place) => ({ ...points.get(place.id), place }));
  const cameras = [...blocks.values()].flatMap((block) => standing(block, points.get(block.id)));
  const areas = groups(setting, spots).map((group) => ({
    id: group.id,
    path: outline(group.members.map((id) => ({ ...points.get(id), reach: blocks.get(id)?.reach ?? REACH }))),
  }));
  return { kind: "map", height, places: labelled(places, blocks, cameras, width, height), cameras, areas, boxes: [], ties: ties(setting, points) };
}

// North above, as large as fits; stretched a little where the room is, for it is a sketch.
const STRETCH = 2.4;

function projection(spots, width, height) {
  const lats = spots.map((p) => p.latitude), lons = spots.map((p) => p.longitude);
  const mid = (Math.min(...lats) + Math.max(...lats)) / 2;
  const squeeze = Math.cos((mid * Math.PI) / 180);
  const spanX = Math.max((Math.max(...lons) - Math.min(...lons)) * squeeze, 1e-6);
  const spanY = Math.max(Math.max(...lats) - Math.min(...lats), 1e-6);
  // a few places that lie near each other need not fill a wall
  const few = spots.length * 120;
  const down = Math.min(height - 2 * PAD, few) / spanY, across = Math.min(width - 2 * PAD - 80, few) / spanX;
  const y = Math.min(down, across * STRETCH), x = Math.min(across, down * STRETCH);
  const midLon = (Math.min(...lons) + Math.max(...lons)) / 2;
  return (place) => ({
    id: place.id,
    kind: place.kind,
    x: width / 2 + (place.longitude - midLon) * squeeze * x,
    y: height / 2 - (place.latitude - mid) * y,
  });
}

// Push apart what would stand on each other; a few rounds are enough for a sketch.
function spread(points, reach) {
  for (let round = 0; round < 24; round++)
    for (let i = 0; i < points.length; i++)
      for (let j = i + 1; j < points.length; j++) {
        const dx = points[j].x - points[i].x || 0.1, dy = points[j].y - points[i].y || 0.1 * (j - i);
        const least = reach(points[i]) + reach(points[j]), far = Math.hypot(dx, dy);
        if (far >= least) continue;
        const push = (least - far) / 2 / far;
        points[i].x -= dx * push; points[i].y -= dy * push;
        points[j].x += dx * push; points[j].y += dy * push;
      }
}

function keepInside(point, block, width, height) {
  const edge = (block?.reach ?? REACH) + 12;
  point.x = Math.min(width - edge, Math.max(edge, point.x));
  point.y = Math.min(height - edge, Math.max(edge, point.y));
}

// Each place that holds others, with all points below it.
function groups(setting, spots) {
  const found = new Map();
  for (const spot of spots)
    for (let at = setting.places[spot.parent]; at?.parent; at = setting.places[at.parent]) {
      if (at.kind === "province") continue;
      if (!found.has(at.id)) found.set(at.id, new Set(at.latitude != null ? [at.id] : []));
      found.get(at.id).add(spot.id);
    }
  return [...found].map(([id, members]) => ({ id, members: [...members] }));
}

function ties(setting, points) {
  const found = [];
  for (const [id, from] of points) {
    const to = points.get(setting.places[id].parent);
    if (to && setting.places[id].kind === "spot") found.push({ id, x1: from.x, y1: from.y, x2: to.x, y2: to.y });
  }
  return found;
}

// A soft line around points: the hull of circles about them.
function outline(points) {
  const around = points.flatMap((p) =>
    Array.from({ length: 16 }, (_, i) => ({
      x: p.x + (p.reach + 10) * Math.cos((i * Math.PI) / 8), y: p.y + (p.reach + 10) * Math.sin((i * Math.PI) / 8),
    })));
  return "M" + hull(around).map((p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join("L") + "Z";
}

function hull(points) {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y);
  const half = (given) => {
    const found = [];
    for (const p of given) {
      while (found.length > 1 && turn(found[found.length - 2], found[found.length - 1], p) <= 0) found.pop();
      found.push(p);
    }
    found.pop();
    return found;
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

const turn = (a, b, c) => (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);

// How large a camera is drawn where so many stand together, and how far from the next one.
const SIZES = [
  { upto: 6, step: 30, size: 11 },
  { upto: 12, step: 24, size: 9 },
  { upto: 30, step: 15, size: 5.5 },
  { upto: Infinity, step: 12, size: 4.5 },
];
const REACH = 30;
const FINGER = 22;

// The cameras of one spot stand in a block about it.
function blocksOf(setting, points, wide) {
  const found = new Map();
  for (const camera of setting.cameras) {
    const id = located(setting, camera.place)?.id;
    if (!points.has(id)) continue;
    if (!found.has(id)) found.set(id, { id, cameras: [] });
    found.get(id).cameras.push(camera);
  }
  for (const block of found.values()) {
    const n = block.cameras.length, { step, size } = SIZES.find((one) => n <= one.upto);
    const narrow = wide ? 1 : 0.75;
    block.step = step * narrow;
    block.size = Math.max(4, size * narrow);
    block.across = n <= 6 ? Math.min(n, 3) : Math.ceil(Math.sqrt(n * 1.8));
    block.w = block.across * block.step;
    block.h = Math.ceil(n / block.across) * block.step;
    block.reach = Math.hypot(block.w, block.h) / 2 + 14;
  }
  return found;
}

function standing({ cameras, across, step, size, h }, spot) {
  return cameras.map((camera, i) => {
    const row = Math.floor(i / across), inRow = Math.min(across, cameras.length - row * across);
    return { camera, size, hit: Math.max(size + 6, cameras.length > 1 ? step / 2 : FINGER), x: spot.x + ((i % across) - (inRow - 1) / 2) * step, y: spot.y - h / 2 + (row + 0.5) * step };
  });
}

// A label goes where no other stands; one without room is left out.
function labelled(places, blocks, cameras, width, height) {
  const taken = cameras.map(({ x, y, size }) => [x - size, y - size, x + size, y + size]);
  const order = { city: 0, district: 1, ward: 2, spot: 3 };
  const wanted = places.filter((one) => one.place.kind !== "province");
  wanted.sort((a, b) => order[a.place.kind] - order[b.place.kind]);
  return wanted.map((one) => {
    const town = one.place.kind !== "spot";
    const wide = one.place.name.length * (town ? 8.4 : 6.8) + 8, high = town ? 20 : 16;
    const half = blocks.get(one.place.id) ?? { w: 0, h: 0 };
    const side = wide / 2 + half.w / 2 + 10, down = half.h / 2, tall = town ? 22 : 18;
    const tries = town && !down
      ? [[0, 4], [0, -22], [0, -40], [0, 38], [0, -58], [0, 56]]
      : [[0, down + tall], [0, -down - 8], [side, 5], [-side, 5], [0, down + 2 * tall], [0, -down - 26]];
    for (const [dx, dy] of tries) {
      const box = [one.x + dx - wide / 2, one.y + dy - high, one.x + dx + wide / 2, one.y + dy + 4];
      if (box[0] < 2 || box[2] > width - 2 || box[1] < 0 || box[3] > height) continue;
      if (taken.some((b) => b[0] < box[2] && box[0] < b[2] && b[1] < box[3] && box[1] < b[3])) continue;
      taken.push(box);
      return { id: one.place.id, name: one.place.name, town, x: one.x + dx, y: one.y + dy };
    }
    return { id: one.place.id, name: "", town, x: one.x, y: one.y };
  });
}

// --- a scheme ------------------------------------------------------------------------------------

// Boxes of places, side by side, each as high as what is in the fullest.
function schemeOf(setting, used, width, height) {
  const parents = new Map();
  for (const id of used) {
    const there = setting.cameras.filter((camera) => camera.place === id);
    if (!there.length) continue;
    const parent = setting.places[id].parent ?? id;
    if (!parents.has(parent)) parents.set(parent, []);
    parents.get(parent).push({ id, cameras: there });
  }
  const columns = [...parents];
  const across = Math.max(1, Math.min(columns.length, Math.floor(width / 160)));
  const w = (width - 24) / across;
  for (const spot of columns.flatMap(([, mine]) => mine)) measure(spot, w - 40);
  const full = (mine) => mine.reduce((sum, spot) => sum + spot.h + 40, 56);
  const down = Math.ceil(columns.length / across);
  const h = Math.max(...columns.map(([, mine]) => full(mine)), Math.min((height - 24) / down, 260));
  const whole = Math.max(height, h * down + 24), top = (whole - h * down) / 2;
  const boxes = [], places = [], cameras = [];
  columns.forEach(([parent, mine], i) => {
    const x = 12 + (i % across) * w, y = top + Math.floor(i / across) * h, middle = x + w / 2;
    boxes.push({ id: parent, x: x + 6, y: y + 6, w: w - 12, h: h - 12 });
    places.push({ id: parent, name: setting.places[parent]?.name ?? parent, town: true, x: middle, y: y + 34 });
    const room = (h - full(mine)) / mine.length;
    let at = y + 52 + room / 2;
    for (const spot of mine) {
      cameras.push(...standing(spot, { x: middle, y: at + spot.h / 2 }));
      places.push({ id: spot.id, name: spot.id === parent ? "" : setting.places[spot.id].name, town: false, x: middle, y: at + spot.h + 18 });
      at += spot.h + 40 + room;
    }
  });
  return { kind: "scheme", height: whole, places, cameras, areas: [], boxes, ties: [] };
}

function measure(spot, room) {
  const { step, size } = SIZES.find((one) => spot.cameras.length <= one.upto);
  spot.step = step;
  spot.size = size;
  spot.across = Math.max(1, Math.min(spot.cameras.length, 12, Math.floor(room / step)));
  spot.h = Math.ceil(spot.cameras.length / spot.across) * step;
}
