// What the page's tests look at from inside. Each function is sent to the browser as text: it stands alone.

/** Before the page runs: writes down what it shows, in `window.seen`. */
export function watchPage() {
  const seen = { states: [], steps: [], statuses: [], loads: [], violations: [] };
  window.seen = seen;
  document.addEventListener("securitypolicyviolation", (event) => seen.violations.push(event.effectiveDirective));
  const add = (list, value) => {
    if (value && list.at(-1) !== value) list.push(value);
  };
  const look = () => {
    const { picture, status, progress, "progress-text": progressText } = Object.fromEntries(
      ["picture", "status", "progress", "progress-text"].map((id) => [id, document.getElementById(id)]),
    );
    add(seen.states, picture?.dataset.state);
    add(seen.statuses, status.textContent);
    if (progress.closest("[hidden]") || !progress.hasAttribute("value")) return;
    if (/of [\d.]+ MB/.test(progressText.textContent)) seen.loads.push({ value: progress.value, max: progress.max });
    else add(seen.steps, progress.value);
  };
  document.addEventListener("DOMContentLoaded", () => {
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  });
}

/** Visible controls without an accessible name. */
export function namelessControls() {
  const controls = document.querySelectorAll("button, a, input, select, textarea, summary, progress, img, output");
  const name = (control) =>
    control.getAttribute("aria-label") ??
    control.getAttribute("alt") ??
    document.getElementById(control.getAttribute("aria-labelledby"))?.id ??
    (control.labels?.length ? control.labels[0].textContent : control.textContent || control.querySelector("img")?.alt);
  return [...controls].filter((control) => control.checkVisibility() && !name(control)?.trim()).map(({ outerHTML }) => outerHTML);
}

/** Contrast of every visible text with what lies behind it (WCAG 2.2, relative luminance), lowest first. Drawings are not text. */
export function contrasts() {
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    return pixel.getImageData(0, 0, 1, 1).data;
  };
  const luminance = (colour) => {
    const [r, g, b] = [...rgba(colour)].slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (rgba(backgroundColor)[3] === 255) return backgroundColor;
    }
    return "white";
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.matches("script, noscript *, svg *, .visually-hidden")) continue;
    const [text, ground] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    found.push({ text: node.textContent.trim().slice(0, 40), ratio });
  }
  return found.sort((a, b) => a.ratio - b.ratio);
}
