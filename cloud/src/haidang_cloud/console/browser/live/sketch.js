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
  const spots = Object.values(setting.places).filter((p) => p.latitude != null && p.longitude != null);
  const to = projection(spots, width, height);
  const points = new Map(spots.map((place) => [place.id, to(place)]));
  spread([...points.values()].filter((p) => p.kind === "spot"));
  const places = spots.map((place) => ({ ...points.get(place.id), place }));
  const cameras = fan(setting.cameras, (camera) => {
    const home = located(setting, camera.place);
    return home ? points.get(home.id) : null;
  });
  const areas = groups(setting, spots).map((group) => ({
    id: group.id,
    path: outline(group.members.map((id) => points.get(id))),
  }));
  return { kind: "map", height, places: labelled(places, used, cameras, width, height), cameras, areas, boxes: [], ties: ties(setting, points) };
}

// North above, as large as fits; stretched a little where the room is, for it is a sketch.
const STRETCH = 2.4;

function projection(spots, width, height) {
  const lats = spots.map((p) => p.latitude), lons = spots.map((p) => p.longitude);
  const mid = (Math.min(...lats) + Math.max(...lats)) / 2;
  const squeeze = Math.cos((mid * Math.PI) / 180);
  const spanX = Math.max((Math.max(...lons) - Math.min(...lons)) * squeeze, 1e-6);
  const spanY = Math.max(Math.max(...lats) - Math.min(...lats), 1e-6);
  const down = (height - 2 * PAD) / spanY, across = (width - 2 * PAD - 80) / spanX;
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
function spread(points, least = 64) {
  for (let round = 0; round < 24; round++)
    for (let i = 0; i < points.length; i++)
      for (let j = i + 1; j < points.length; j++) {
        const dx = points[j].x - points[i].x || 0.1, dy = points[j].y - points[i].y || 0.1 * (j - i);
        const far = Math.hypot(dx, dy);
        if (far >= least) continue;
        const push = (least - far) / 2 / far;
        points[i].x -= dx * push; points[i].y -= dy * push;
        points[j].x += dx * push; points[j].y += dy * push;
      }
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
function outline(points, radius = 40) {
  const around = points.flatMap((p) =>
    Array.from({ length: 16 }, (_, i) => ({
      x: p.x + radius * Math.cos((i * Math.PI) / 8), y: p.y + radius * Math.sin((i * Math.PI) / 8),
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

// Cameras of one spot stand side by side below it.
function fan(cameras, spotOf) {
  const bySpot = new Map();
  for (const camera of cameras) {
    const spot = spotOf(camera);
    if (!spot) continue;
    if (!bySpot.has(spot.id)) bySpot.set(spot.id, { spot, cameras: [] });
    bySpot.get(spot.id).cameras.push(camera);
  }
  return [...bySpot.values()].flatMap(({ spot, cameras: mine }) =>
    mine.map((camera, i) => {
      const across = Math.min(mine.length, 8), row = Math.floor(i / 8), inRow = Math.min(across, mine.length - row * 8);
      return { camera, x: spot.x + ((i % 8) - (inRow - 1) / 2) * 22, y: spot.y + row * 22 };
    }));
}

// A label goes where no other stands; one without room is shown with its alarm only.
function labelled(places, used, cameras, width, height) {
  const taken = cameras.map(({ x, y }) => [x - 11, y - 11, x + 11, y + 11]);
  const order = { province: 4, city: 0, district: 1, ward: 2, spot: 3 };
  const wanted = places.filter((one) => used.has(one.place.id) && one.place.kind !== "province");
  wanted.sort((a, b) => order[a.place.kind] - order[b.place.kind]);
  return wanted.map((one) => {
    const town = one.place.kind !== "spot";
    const wide = one.place.name.length * (town ? 8.4 : 6.8) + 8, high = town ? 20 : 16;
    const side = wide / 2 + 26;
    const tries = town ? [[0, -22], [0, -40], [0, 38], [0, 4]] : [[0, 28], [0, -16], [side, 5], [-side, 5], [0, 50]];
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

// Boxes of places, side by side, each as wide as what is in it.
function schemeOf(setting, used, width, height) {
  const spots = [...used].filter((id) => setting.cameras.some((camera) => camera.place === id));
  const parents = new Map();
  for (const id of spots) {
    const parent = setting.places[id].parent ?? id;
    if (!parents.has(parent)) parents.set(parent, []);
    parents.get(parent).push(id);
  }
  const columns = [...parents];
  const across = Math.max(1, Math.min(columns.length, Math.floor(width / 160)));
  const down = Math.ceil(columns.length / across);
  const least = 60 + 54 * Math.max(...columns.map(([, mine]) => mine.length));
  const w = (width - 24) / across, h = Math.max(least, Math.min((height - 24) / down, 260));
  const whole = Math.max(height, h * down + 24);
  const top = (whole - h * down) / 2;
  const boxes = [], places = [], cameras = [];
  columns.forEach(([parent, mine], i) => {
    const x = 12 + (i % across) * w, y = top + Math.floor(i / across) * h;
    boxes.push({ id: parent, x: x + 6, y: y + 6, w: w - 12, h: h - 12 });
    places.push({ id: parent, name: setting.places[parent]?.name ?? parent, town: true, x: x + w / 2, y: y + 34 });
    const step = Math.min((h - 60) / mine.length, 76);
    const first = y + 56 + Math.max(0, (h - 68 - step * mine.length) / 2);
    mine.forEach((id, row) => {
      const there = setting.cameras.filter((camera) => camera.place === id);
      const cy = first + row * step + step / 2 - 8;
      places.push({ id, name: id === parent ? "" : setting.places[id].name, town: false, x: x + w / 2, y: cy + 28 });
      there.forEach((camera, n) =>
        cameras.push({ camera, x: x + w / 2 + (n - (there.length - 1) / 2) * Math.min(28, (w - 40) / there.length), y: cy }));
    });
  });
  return { kind: "scheme", height: whole, places, cameras, areas: [], boxes, ties: [] };
}
