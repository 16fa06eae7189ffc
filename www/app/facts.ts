/** Puts names and what they stand for into a list; those without a value are left out. */
export function showFacts(list: HTMLDListElement, facts: readonly (readonly [string, string | undefined])[]): void {
  list.replaceChildren(
    ...facts.flatMap(([name, value]) => {
      if (!value) return [];
      const term = Object.assign(document.createElement("dt"), { textContent: name });
      const description = Object.assign(document.createElement("dd"), { textContent: value });
      return [term, description];
    }),
  );
}
