/** A picture as a small card, with a text in its place for those who do not see it. */
export function thumbnail(image: ImageData, name: string): HTMLDivElement {
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", name);
  const card = document.createElement("div");
  card.className = "thumbnail";
  card.append(canvas);
  return card;
}
