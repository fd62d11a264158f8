// Maps without tiles and without any other host: the city's own place points and a grid, with the records on top.
import * as maplibre from "maplibre";
import { word } from "gz/words";

const FONT = "Noto Sans SC Variable";
const COLOURS = { late: "#c5362c", today: "#d98200", soon: "#efc04d", fine: "#4f9a96", paused: "#a9b4b6", none: "#ffffff" };
const STEP = 0.1; // degrees between the lines of the grid
const MARGIN = 0.12; // degrees around the outermost places: matters lie beyond the seats of their counties

function grid([west, south, east, north]) {
  const lines = [];
  const [w, s, e, n] = [west - 1.5, south - 1.5, east + 1.5, north + 1.5];
  for (let x = Math.floor(w / STEP); x * STEP <= e; x += 1) lines.push([[x * STEP, s], [x * STEP, n]]);
  for (let y = Math.floor(s / STEP); y * STEP <= n; y += 1) lines.push([[w, y * STEP], [e, y * STEP]]);
  return { type: "FeatureCollection", features: lines.map((coordinates) => ({ type: "Feature", geometry: { type: "LineString", coordinates }, properties: {} })) };
}

function style(base) {
  return {
    version: 8,
    sources: { base: { type: "geojson", data: base }, grid: { type: "geojson", data: grid(base.bounds) } },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": "#eef3f3" } },
      { id: "grid", type: "line", source: "grid", paint: { "line-color": "#dde6e6", "line-width": 1 } },
      { id: "places", type: "circle", source: "base", paint: { "circle-radius": 3, "circle-color": "#8da3a4" } },
      {
        id: "names", type: "symbol", source: "base",
        layout: { "text-field": ["get", "name"], "text-font": [FONT], "text-size": 13, "text-radial-offset": 1.1, "text-variable-anchor": ["top", "bottom", "right", "left"], "text-padding": 1 },
        paint: { "text-color": "#4a5f61", "text-halo-color": "#eef3f3", "text-halo-width": 1.5 },
      },
    ],
  };
}

class Lost extends Error {}

async function json(address) {
  let answer = null;
  try {
    answer = await fetch(address);
  } catch {
    throw new Lost();
  }
  if (!answer.ok) throw new Lost();
  return answer.json();
}

async function make(element) {
  const base = await json("/map/base");
  const names = base.features.map((feature) => feature.properties.name).join("");
  await document.fonts.load(`13px "${FONT}"`, names + "0123456789").catch(() => {});
  element.hidden = false;
  const [west, south, east, north] = [base.bounds[0] - MARGIN, base.bounds[1] - MARGIN, base.bounds[2] + MARGIN, base.bounds[3] + MARGIN];
  const map = new maplibre.Map({
    container: element, style: style(base), attributionControl: false, dragRotate: false, maxZoom: 17, localIdeographFontFamily: `"${FONT}", sans-serif`,
    bounds: [[west, south], [east, north]], fitBoundsOptions: { padding: 16 }, cooperativeGestures: false,
    locale: { "NavigationControl.ZoomIn": word("zoomIn"), "NavigationControl.ZoomOut": word("zoomOut"), "Map.Title": word("map"), "Popup.Close": word("closePopup") },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.ScaleControl({ unit: "metric" }), "bottom-left");
  await map.once("load");
  return map;
}

function supported() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

function line(text, tag = "p") {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

async function open(element) {
  const say = document.querySelector("[data-map-say]");
  const map = await make(element);
  const points = await json(element.dataset.points);
  const paint = ["match", ["get", "tone"], ...Object.entries(COLOURS).flat(), COLOURS.none];
  map.addSource("open", { type: "geojson", data: points, cluster: true, clusterRadius: 36, clusterMaxZoom: 13, clusterProperties: { late: ["+", ["case", ["==", ["get", "tone"], "late"], 1, 0]] } });
  map.addLayer({
    id: "clusters", type: "circle", source: "open", filter: ["has", "point_count"],
    paint: { "circle-color": "#0f5f5c", "circle-opacity": 0.9, "circle-radius": ["interpolate", ["linear"], ["get", "point_count"], 2, 12, 100, 24, 1000, 34], "circle-stroke-width": ["case", [">", ["get", "late"], 0], 3, 1], "circle-stroke-color": ["case", [">", ["get", "late"], 0], COLOURS.late, "#fff"] },
  });
  map.addLayer({ id: "cluster-n", type: "symbol", source: "open", filter: ["has", "point_count"], layout: { "text-field": ["to-string", ["get", "point_count"]], "text-font": [FONT], "text-size": 13, "text-allow-overlap": true }, paint: { "text-color": "#fff" } });
  map.addLayer({ id: "points", type: "circle", source: "open", filter: ["!", ["has", "point_count"]], paint: { "circle-color": paint, "circle-radius": 7, "circle-stroke-width": ["match", ["get", "tone"], "none", 2.5, 1.5], "circle-stroke-color": ["match", ["get", "tone"], "none", "#7a8a8d", "#fff"] } });
  map.on("click", "clusters", async (event) => {
    const feature = event.features[0];
    const zoom = await map.getSource("open").getClusterExpansionZoom(feature.properties.cluster_id);
    map.easeTo({ center: feature.geometry.coordinates, zoom });
  });
  map.on("click", "points", (event) => {
    const { number, title, stage, due, agency } = event.features[0].properties;
    const box = document.createElement("div");
    const link = line(title, "a");
    link.href = `/work/r/${encodeURIComponent(number)}`;
    box.append(link, line(`${stage} · ${due}`), line(`${agency} · ${number}`));
    new maplibre.Popup({ maxWidth: "280px" }).setLngLat(event.features[0].geometry.coordinates).setDOMContent(box).addTo(map);
  });
  for (const layer of ["clusters", "points"]) {
    map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
  }
  if (say) say.textContent = word("mapSays");
  await map.once("idle");
  element.dataset.ready = "1";
}

async function one(element) {
  const map = await make(element);
  const at = [Number(element.dataset.lon), Number(element.dataset.lat)];
  map.jumpTo({ center: at, zoom: 11 });
  new maplibre.Marker({ color: "#0f5f5c" }).setLngLat(at).addTo(map);
  element.dataset.ready = "1";
}

async function pick(element) {
  const picker = element.closest("[data-point]");
  const field = picker.querySelector("input");
  const say = picker.querySelector("[data-point-say]");
  const locate = picker.querySelector("[data-locate]");
  let map = null;
  let marker = null;
  function set([lon, lat], zoom) {
    field.value = `${lon.toFixed(6)},${lat.toFixed(6)}`;
    say.textContent = word("marked");
    if (!map) return;
    marker ??= new maplibre.Marker({ color: "#0f5f5c" });
    marker.setLngLat([lon, lat]).addTo(map);
    if (zoom) map.jumpTo({ center: [lon, lat], zoom });
  }
  if (navigator.geolocation) {
    locate.hidden = false;
    locate.addEventListener("click", () => {
      say.textContent = word("locating");
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => set([coords.longitude, coords.latitude], 14),
        () => { say.textContent = word("notLocated"); },
        { enableHighAccuracy: true, timeout: 10_000 },
      );
    });
  }
  if (!supported()) { element.remove(); return; }
  map = await make(element);
  say.textContent = say.textContent || word("tapMap");
  map.on("click", (event) => set([event.lngLat.lng, event.lngLat.lat]));
  const [lon, lat] = field.value.split(",").map(Number);
  if (field.value && Number.isFinite(lon) && Number.isFinite(lat)) set([lon, lat], 13);
  document.addEventListener("gz-shown", () => map.resize());
  element.dataset.ready = "1";
}

export async function start(element) {
  const kind = element.dataset.map;
  if (kind !== "pick" && !supported()) { element.remove(); return; }
  try {
    await { pick, open, one }[kind](element);
  } catch (fault) {
    if (!(fault instanceof Lost)) throw fault;
    const said = line(word("mapLost"));
    said.className = "say wrong";
    element.replaceWith(said);
  }
}
