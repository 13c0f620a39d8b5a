const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
// Any notation of a colour as red, green, blue and opacity.
const parsed = (text) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = text;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
const luminance = (colour) => {
  const [r, g, b] = colour.slice(0, 3).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const background = (element) => {
  const around = [];
  for (let one = element; one; one = one.parentElement) around.push(getComputedStyle(one).backgroundColor);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return around.reverse().reduce((below, text) => over(parsed(text), below), dark ? [18, 18, 18, 1] : [255, 255, 255, 1]);
};
let count = 0;
const weak = [];
for (const element of document.querySelectorAll("body *")) {
  const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join("").trim();
  if (!text || element.closest("script, style, [hidden]") || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  if (style.visibility === "hidden" || style.display === "none") continue;
  const below = background(element);
  const ink = parsed(element.closest("svg") ? style.fill : style.color);
  for (let one = element; one; one = one.parentElement) ink[3] *= Number(getComputedStyle(one).opacity);
  const [hi, lo] = [luminance(over(ink, below)), luminance(below)].sort((a, b) => b - a);
  const size = parseFloat(style.fontSize);
  const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
  count += 1;
  const ratio = (hi + 0.05) / (lo + 0.05);
  if (ratio < least) weak.push(`${ratio.toFixed(2)} ${element.tagName}.${element.getAttribute("class")} ${text.slice(0, 30)}`);
}
// Of what charts draw in colours; lines in the ink of the text guide the eye.
for (const shape of document.querySelectorAll("main svg :is(path, circle, rect)")) {
  for (const kind of ["fill", "stroke"]) {
    if (!shape.getAttribute(kind)?.startsWith("#") || !shape.getClientRects().length) continue;
    const style = getComputedStyle(shape);
    const below = background(shape);
    const ink = parsed(style[kind]);
    ink[3] *= Number(style[kind + "Opacity"]);
    for (let one = shape; one; one = one.parentElement) ink[3] *= Number(getComputedStyle(one).opacity);
    const [hi, lo] = [luminance(over(ink, below)), luminance(below)].sort((a, b) => b - a);
    count += 1;
    const ratio = (hi + 0.05) / (lo + 0.05);
    if (ratio < 3) weak.push(`${ratio.toFixed(2)} ${kind} ${shape.getAttribute(kind)}`);
  }
}
return [count, [...new Set(weak)].slice(0, 30)];
