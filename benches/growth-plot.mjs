// The plot of growth: time over what grows, each relative to its first point, on two logarithmic axes.

const [WIDTH, HEIGHT] = [640, 360];
const MARGIN = { left: 56, right: 150, top: 16, bottom: 44 };
/** Told apart by marks too, not by colour alone. */
const STYLES = [
  { colour: "#1f6fb2", mark: (x, y) => `<circle cx="${x}" cy="${y}" r="4"/>` },
  { colour: "#b3541e", mark: (x, y) => `<rect x="${x - 4}" y="${y - 4}" width="8" height="8"/>` },
  { colour: "#2e7d4f", mark: (x, y) => `<path d="M${x} ${y - 5} l5 9 h-10 z"/>` },
  { colour: "#7a4fa3", mark: (x, y) => `<path d="M${x} ${y - 5} l5 5 -5 5 -5 -5 z"/>` },
];

/** An SVG of the times of series of points `{ x, millis }`. */
export function growthPlot(series) {
  const relative = series.map(({ name, points }) => ({ name, points: points.map(({ x, millis }) => [x / points[0].x, millis / points[0].millis]) }));
  const most = (axis) => 2 ** Math.ceil(Math.log2(Math.max(...relative.flatMap(({ points }) => points.map((point) => point[axis])))));
  const [mostX, mostY] = [most(0), most(1)];
  const place = (value, top, from, to) => round(from + (Math.log2(value) / Math.log2(top)) * (to - from));
  const xAt = (value) => place(value, mostX, MARGIN.left, WIDTH - MARGIN.right);
  const yAt = (value) => place(value, mostY, HEIGHT - MARGIN.bottom, MARGIN.top);
  const [left, right, bottom] = [MARGIN.left, WIDTH - MARGIN.right, HEIGHT - MARGIN.bottom];
  const grid = [
    ...powers(mostX).map((value) => `<path class="grid" d="M${xAt(value)} ${MARGIN.top}V${bottom}"/><text x="${xAt(value)}" y="${bottom + 16}" text-anchor="middle">${value}</text>`),
    ...powers(mostY).map((value) => `<path class="grid" d="M${left} ${yAt(value)}H${right}"/><text x="${left - 8}" y="${yAt(value) + 4}" text-anchor="end">${value}</text>`),
  ];
  const lines = relative.map(({ name, points }, index) => {
    const { colour, mark } = STYLES[index];
    const at = points.map(([x, y]) => [xAt(x), yAt(y)]);
    const keyY = MARGIN.top + 12 + 22 * index;
    return (
      `<g fill="${colour}"><path fill="none" stroke="${colour}" stroke-width="2" d="M${at.map((point) => point.join(" ")).join("L")}"/>` +
      `${at.map((point) => mark(...point)).join("")}${mark(right + 20, keyY)}<text x="${right + 32}" y="${keyY + 4}">${name}</text></g>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Time over what grows, on logarithmic axes">` +
    `<style>text{font:12px sans-serif;fill:#444}.grid{stroke:#ccc;fill:none}</style><rect width="100%" height="100%" fill="#fff"/>` +
    `${grid.join("")}${lines.join("")}` +
    `<text x="${(left + right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">times as much as at first</text>` +
    `<text transform="translate(16 ${(MARGIN.top + bottom) / 2}) rotate(-90)" text-anchor="middle">times as long</text></svg>\n`
  );
}

function powers(most) {
  return Array.from({ length: Math.log2(most) + 1 }, (_, power) => 2 ** power);
}

function round(value) {
  return Math.round(10 * value) / 10;
}
