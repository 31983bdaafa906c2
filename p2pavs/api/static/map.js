// The network as a picture: operators on a ring, stake as size, connections of this node as lines.

const SVG = "http://www.w3.org/2000/svg";
const RING = 120;
const LABELS = 12; // more operators than this have no room for names

function shape(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

/** Draw all operators anew. */
export function drawMap(svg, operators) {
  const own = operators.find((one) => one.self);
  const others = operators.filter((one) => !one.self);
  const most = Math.max(1, ...operators.map((one) => Number(one.stakeWei)));
  const largest = Math.max(5, Math.min(20, 300 / (others.length + 1)));
  const lines = [];
  const nodes = own ? [node(own, 0, 0, most, largest, true)] : [];
  others.forEach((one, index) => {
    const angle = (2 * Math.PI * index) / others.length - Math.PI / 2;
    const [x, y] = [RING * 1.35 * Math.cos(angle), RING * Math.sin(angle)];
    if (own && one.connected) lines.push(shape("line", { x1: 0, y1: 0, x2: x, y2: y, class: "on" }));
    nodes.push(node(one, x, y, most, largest, others.length <= LABELS));
  });
  svg.replaceChildren(...lines, ...nodes);
}

function node(one, x, y, most, largest, labelled) {
  const radius = Math.max(3, largest * Math.sqrt(Number(one.stakeWei) / most));
  const kind = one.self ? "self" : one.connected ? "on" : one.active ? "" : "left";
  const group = shape("g", { class: kind, transform: `translate(${x} ${y})`, "data-operator": one.operator });
  group.append(shape("circle", { r: radius }));
  group.append(shape("title", {}, one.operator));
  // Away from the lines, which all lead to the middle.
  if (labelled) group.append(shape("text", { y: y < 0 ? -radius - 6 : radius + 13 }, one.operator.slice(0, 8)));
  return group;
}

/** Let a ring spread around an operator from whom something came. */
export function wave(svg, operator) {
  const group = [...svg.querySelectorAll("g")].find((one) => one.dataset.operator === operator);
  if (group === undefined || group.querySelector(".wave")) return;
  const ring = shape("circle", { r: group.querySelector("circle").getAttribute("r"), class: "wave" });
  group.append(ring);
  setTimeout(() => ring.remove(), 1300);
}
